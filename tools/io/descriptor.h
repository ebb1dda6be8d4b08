#pragma once

#include <cstddef>
#include <string>

namespace linnet::io {

/// An open file descriptor; closed with its owner unless it is standard input, output or error.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor();
  Descriptor(Descriptor&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  Descriptor& operator=(Descriptor&&) = delete;

  int get() const { return fd_; }

 private:
  int fd_;
};

/// Opens a file for reading; "-" is standard input. Throws Error(kIo) with the system's reason,
/// also for a directory.
Descriptor open_input(const std::string& path);

/// What messages call the input: the path, or "standard input".
std::string input_name(const std::string& path);

/// Up to `bytes` bytes, 0 only at the end. Throws Error(kIo); Interrupted when a signal came.
std::size_t read_some(int fd, char* to, std::size_t bytes, const std::string& name);

/// Throws Error(kIo, "NAME: REASON") with the reason of errno value `code`.
[[noreturn]] void fail(const std::string& name, int code);

}  // namespace linnet::io
