#pragma once

#include <cstddef>
#include <string>

// Reading through file descriptors; private to weights/*.cpp.
namespace linnet::weights {

/// Owns a file descriptor; -1 is none.
class FileHandle {
 public:
  explicit FileHandle(int fd) : fd_(fd) {}
  ~FileHandle();
  FileHandle(const FileHandle&) = delete;
  FileHandle& operator=(const FileHandle&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

/// Size of the regular file that is open at `fd`. Throws kIo, naming `name`, when it is none.
std::size_t regular_file_size(int fd, const std::string& name);

/// Reads bytes [offset, offset + size). Throws kIo when the file ends before that.
void read_bytes(int fd, const std::string& name, std::byte* to, std::size_t offset,
                std::size_t size);

}  // namespace linnet::weights
