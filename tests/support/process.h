#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace linnet::test {

/// How a program ended and what it wrote.
struct Finished {
  int exit_code = -1;  // -1 when a signal ended it
  int signal = 0;
  std::string out, err;
  /// The most memory that it, or a program that it ran, had at a time.
  std::int64_t peak_bytes = 0;
};

/// A program to run. Variables LINNET_* of our own environment are not passed on.
struct Invocation {
  std::vector<std::string> arguments;  // with the program first
  std::vector<std::pair<std::string, std::string>> environment = {};
  std::string input = {};                  // what standard input gives
  std::optional<std::string> output = {};  // a file for standard output instead of `out`
  std::vector<int> closed = {};            // descriptors that are closed when it starts
  bool output_has_no_reader = false;       // standard output is a pipe nobody reads
};

/// Runs it to its end. Throws std::runtime_error when it cannot be started.
Finished run(const Invocation& what);

/// A program that runs beside the test, with pipes to its standard input and output.
class Child {
 public:
  explicit Child(std::vector<std::string> arguments);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  void write(const std::string& text) const;
  void close_input();
  /// The next line of its standard output, without the newline.
  std::string read_line() const;
  void close_output();
  void kill(int signal) const;
  pid_t pid() const { return pid_; }
  Finished wait();

 private:
  pid_t pid_ = -1;
  int input_ = -1, output_ = -1, errors_ = -1;
};

/// A program at a terminal: its standard input and output are one of their own.
class TerminalChild {
 public:
  explicit TerminalChild(std::vector<std::string> arguments);
  ~TerminalChild();
  TerminalChild(const TerminalChild&) = delete;
  TerminalChild& operator=(const TerminalChild&) = delete;

  /// Keys: "\n" is Enter, "\x03" Ctrl-C, "\x04" Ctrl-D.
  void type(const std::string& keys) const;
  /// What the terminal shows up to the first `end`, or to the end of the program: what was typed
  /// and what was written. Without carriage returns.
  std::string read_until(const std::string& end) const;
  Finished wait();

 private:
  pid_t pid_ = -1;
  int terminal_ = -1, errors_ = -1;
};

}  // namespace linnet::test
