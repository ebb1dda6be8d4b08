#include "tools/io/output.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "tools/cli/exit_code.h"
#include "tools/cli/signals.h"
#include "tools/io/descriptor.h"
#include "weights/base/error.h"
#include "weights/output.h"

namespace linnet::io {
namespace {

constexpr std::size_t kBuffer = std::size_t{1} << 16;

enum class PathKind { kAbsent, kRegular, kOther };

PathKind kind_of(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return PathKind::kAbsent;
    fail(path, errno);
  }
  if (S_ISDIR(status.st_mode)) fail(path, EISDIR);
  return S_ISREG(status.st_mode) ? PathKind::kRegular : PathKind::kOther;
}

}  // namespace

void Output::send(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd_, text.data(), text.size());
    if (n >= 0) {
      text.remove_prefix(static_cast<std::size_t>(n));
    } else if (errno == EPIPE) {
      throw cli::BrokenPipe();
    } else if (errno == EINTR) {
      cli::check_interrupt();
    } else {
      fail(name_, errno);
    }
  }
}

void Output::write(std::string_view text) {
  if (buffer_.size() + text.size() >= kBuffer) flush();
  if (text.size() >= kBuffer) return send(text);
  buffer_ += text;
}

void Output::flush() {
  std::string pending;
  pending.swap(buffer_);  // a failed write is not tried again
  send(pending);
  pending.clear();
  buffer_.swap(pending);  // keeps its memory
}

void check_destination(const Destination& destination) {
  if (destination.is_standard_output()) return;
  if (kind_of(destination.path) == PathKind::kRegular &&
      destination.overwrite == Overwrite::kRefuse) {
    throw Error(ErrorCode::kInvalidArgument, destination.path + ": exists; --force writes over it");
  }
}

void write_to(const Destination& destination, Output& standard_output,
              const std::function<void(const Sink&)>& content) {
  if (destination.is_standard_output()) {
    content([&](std::string_view text) { standard_output.write(text); });
    return standard_output.flush();
  }
  check_destination(destination);
  if (kind_of(destination.path) == PathKind::kOther) {
    const Descriptor file(::open(destination.path.c_str(), O_WRONLY | O_CLOEXEC));
    if (file.get() < 0) fail(destination.path, errno);
    Output output(file.get(), destination.path);
    content([&](std::string_view text) { output.write(text); });
    return output.flush();
  }
  weights::write_file(destination.path, [&](weights::OutputFile& file) {
    std::string buffer;
    content([&](std::string_view text) {
      if (buffer.size() + text.size() >= kBuffer) {
        file.write(buffer);
        buffer.clear();
      }
      text.size() >= kBuffer ? file.write(text) : void(buffer += text);
    });
    file.write(buffer);
  });
}

}  // namespace linnet::io
