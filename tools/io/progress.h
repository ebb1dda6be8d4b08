#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "tools/cli/log.h"

namespace linnet::io {

enum class ShowProgress { kYes, kNo };

/// How far long work has come: one line that is rewritten on a terminal, else a message every ten
/// seconds. Nothing is shown of work that is done within a second.
class Progress {
 public:
  /// `unit` names what is counted, e.g. "texts".
  Progress(ShowProgress show, std::string unit, const cli::Log& log);
  /// Takes its line off the terminal.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `done` units so far; `fraction` of all work, negative where that is not known.
  void update(std::int64_t done, double fraction = -1);

 private:
  using Clock = std::chrono::steady_clock;
  void clear();

  ShowProgress show_;
  bool terminal_;
  bool drawn_ = false;
  std::string unit_;
  const cli::Log& log_;
  Clock::time_point start_, next_;
};

/// The text of a progress line: "1234 texts, 567/s, 45%, 0:12 left".
std::string progress_text(const std::string& unit, std::int64_t done, double fraction,
                          double seconds);

}  // namespace linnet::io
