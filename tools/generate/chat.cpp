#include "tools/generate/chat.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "engine/tasks/line_reader.h"
#include "tools/cli/exit_code.h"
#include "tools/cli/signals.h"
#include "tools/commands/common.h"
#include "tools/io/descriptor.h"
#include "weights/base/error.h"

namespace linnet::tools {
namespace {

constexpr std::string_view kMark = "> ";
constexpr std::string_view kClear = "/clear";

void check_request(const GenerationParameters& p) {
  check(p);
  const auto expect_one = [](const char* name, std::int64_t value) {
    if (value > 1) {
      throw Error(
          ErrorCode::kInvalidArgument,
          std::string(name) + ": found " + std::to_string(value) + ", expected 1 in a chat");
    }
  };
  expect_one("num_beams", p.num_beams);
  expect_one("num_return_sequences", p.num_return_sequences);
}

class Chat {
 public:
  Chat(TextGenerator& generator, const ChatOptions& options, cli::Console& console)
      : generator_(generator),
        options_(options),
        request_(options.request),
        console_(console),
        failures_(console.log),
        terminal_(::isatty(STDIN_FILENO) != 0 && ::isatty(STDOUT_FILENO) != 0),
        lines_(line_reader()) {
    check_request(request_.parameters);
    request_.end_now = [] { return cli::interrupted() != 0; };
  }

  int run();

 private:
  LineReader line_reader() const {
    return LineReader(
        [](char* to, std::size_t bytes) {
          return io::read_some(STDIN_FILENO, to, bytes, "standard input");
        },
        "standard input", options_.max_line_bytes);
  }
  void write(std::string_view text) {
    console_.out.write(text);
    console_.out.flush();
  }
  void forgive_interrupt();
  LineReader::Next next_line(std::string_view& line);
  void answer(std::string_view line);

  TextGenerator& generator_;
  const ChatOptions& options_;
  TextRequest request_;
  cli::Console& console_;
  commands::Failures failures_;
  bool terminal_;
  LineReader lines_;
  std::vector<std::int32_t> text_;  // of all lines and answers
};

// On a terminal SIGINT goes back to the mark; everywhere else a signal ends the program.
void Chat::forgive_interrupt() {
  if (!terminal_ || !cli::take_interrupt()) cli::check_interrupt();
}

LineReader::Next Chat::next_line(std::string_view& line) {
  while (true) {
    if (terminal_) write(kMark);
    try {
      return lines_.next(line);
    } catch (const cli::Interrupted&) {
      forgive_interrupt();
      lines_ = line_reader();  // what was typed before is dropped
      write("\n");
    }
  }
}

void Chat::answer(std::string_view line) {
  std::vector<std::int32_t> ids = text_;
  if (!line.empty()) {
    const bool begins = ids.empty() || generator_.ends_line(ids.back());
    const auto more = generator_.encode((begins ? "" : "\n") + std::string(line), options_.encode);
    ids.insert(ids.end(), more.begin(), more.end());
  }
  if (ids.empty()) throw Error(ErrorCode::kInvalidArgument, "the line has no token");
  const auto results = generator_.generate(
      {&ids, 1}, request_, [&](std::int64_t, std::string_view piece) { write(piece); });
  write("\n");
  const GeneratedSequence& sequence = results[0].sequence;
  const std::ptrdiff_t ends = sequence.reason == FinishReason::kEos ? 1 : 0;
  ids.insert(ids.end(), sequence.tokens.begin(), sequence.tokens.end() - ends);
  text_ = std::move(ids);
  ++request_.parameters.seed;
  forgive_interrupt();
}

int Chat::run() {
  if (terminal_) {
    console_.log.note(
        "Ctrl-C ends an answer, Ctrl-D the chat; an empty line goes on, /clear begins anew");
  }
  std::string_view line;
  for (auto next = next_line(line); next != LineReader::Next::kEnd; next = next_line(line)) {
    try {
      if (next == LineReader::Next::kTooLong) {
        throw Error(ErrorCode::kLimit,
                    "the line has more than " + std::to_string(options_.max_line_bytes) + " bytes");
      }
      if (terminal_ && line == kClear) {
        text_.clear();
      } else {
        answer(line);
      }
    } catch (const cli::Interrupted&) {  // in the middle of writing
      forgive_interrupt();
    } catch (const Error& error) {
      failures_.add("line " + std::to_string(lines_.number()), error.what());
    }
  }
  if (!terminal_) return failures_.exit_code();
  write("\n");
  return cli::kDone;  // who typed the lines has seen what became of them
}

}  // namespace

int chat(TextGenerator& generator, const ChatOptions& options, cli::Console& console) {
  return Chat(generator, options, console).run();
}

}  // namespace linnet::tools
