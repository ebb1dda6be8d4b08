#include "tools/io/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <utility>

namespace linnet::io {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirst{1000}, kOnTerminal{100}, kInLog{10000};

void send(const std::string& text) {
  if (::write(STDERR_FILENO, text.data(), text.size()) < 0) return;  // nobody looks any more
}

std::size_t terminal_width() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

}  // namespace

std::string progress_text(const std::string& unit, std::int64_t done, double fraction,
                          double seconds) {
  std::string text = std::to_string(done) + " " + unit;
  if (seconds > 0) {
    const double rate = static_cast<double>(done) / seconds;
    text += ", " + std::to_string(static_cast<std::int64_t>(rate)) + "/s";
  }
  if (fraction > 0 && fraction <= 1) {
    const auto left = static_cast<std::int64_t>(seconds * (1 - fraction) / fraction);
    const std::string rest = std::to_string(left % 60);
    text += ", " + std::to_string(static_cast<int>(100 * fraction)) + "%, " +
            std::to_string(left / 60) + (rest.size() < 2 ? ":0" : ":") + rest + " left";
  }
  return text;
}

Progress::Progress(ShowProgress show, std::string unit, const cli::Log& log)
    : show_(show),
      terminal_(::isatty(STDERR_FILENO) != 0 && log.format() == cli::LogFormat::kText),
      unit_(std::move(unit)),
      log_(log),
      start_(Clock::now()),
      next_(start_ + (terminal_ ? kFirst : kInLog)) {}

Progress::~Progress() { clear(); }

void Progress::clear() {
  if (std::exchange(drawn_, false)) send("\r\x1b[K");
}

void Progress::update(std::int64_t done, double fraction) {
  if (show_ == ShowProgress::kNo) return;
  const Clock::time_point now = Clock::now();
  if (now < next_) return;
  next_ = now + (terminal_ ? kOnTerminal : kInLog);
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const std::string text = progress_text(unit_, done, fraction, seconds);
  if (!terminal_) return log_.note(text);
  send("\r" + text.substr(0, terminal_width() - 1) + "\x1b[K");
  drawn_ = true;
}

}  // namespace linnet::io
