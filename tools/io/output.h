#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace linnet::io {

/// Bytes to a descriptor through a buffer. Every failure is reported: Error(kIo) with the system's
/// reason, BrokenPipe when nobody reads any more. What is not flushed is not written.
class Output {
 public:
  Output(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}

  void write(std::string_view text);
  void flush();

 private:
  void send(std::string_view text);

  int fd_;
  std::string name_;
  std::string buffer_;
};

/// Where data goes: called with pieces in order.
using Sink = std::function<void(std::string_view)>;

enum class Overwrite { kRefuse, kAllow };

/// Where a command's data goes: standard output, or the file of --output.
struct Destination {
  std::string path;  // empty or "-": standard output
  Overwrite overwrite = Overwrite::kRefuse;

  bool is_standard_output() const { return path.empty() || path == "-"; }
};

/// Throws Error(kInvalidArgument) when the destination is an existing file that must stay. Called
/// before the work, so that it is not done in vain.
void check_destination(const Destination& destination);

/// Runs `content` with a sink to the destination. A file is complete or absent; what is no regular
/// file (a pipe, a device) is written directly.
void write_to(const Destination& destination, Output& standard_output,
              const std::function<void(const Sink&)>& content);

}  // namespace linnet::io
