#pragma once

#include <string_view>

namespace linnet::cli {

enum class LogFormat { kText, kJson };

/// Messages to standard error, a line each. Failures to write them are ignored: there is nobody
/// left to tell.
class Log {
 public:
  void set_format(LogFormat format) { format_ = format; }
  LogFormat format() const { return format_; }

  /// "error: MESSAGE", or {"level":"error","message":"MESSAGE"}.
  void error(std::string_view message) const { line("error", message); }
  void warning(std::string_view message) const { line("warning", message); }
  void note(std::string_view message) const { line("note", message); }

 private:
  void line(std::string_view level, std::string_view message) const;

  LogFormat format_ = LogFormat::kText;
};

}  // namespace linnet::cli
