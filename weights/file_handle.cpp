#include "weights/file_handle.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "weights/base/error.h"

namespace linnet::weights {

FileHandle::~FileHandle() {
  if (fd_ >= 0) close(fd_);
}

std::size_t regular_file_size(int fd, const std::string& name) {
  struct stat info {};
  if (fstat(fd, &info) != 0) {
    throw Error(ErrorCode::kIo, name + ": cannot stat: " + std::strerror(errno));
  }
  if (!S_ISREG(info.st_mode)) throw Error(ErrorCode::kIo, name + ": is not a regular file");
  return static_cast<std::size_t>(info.st_size);
}

void read_bytes(int fd, const std::string& name, std::byte* to, std::size_t offset,
                std::size_t size) {
  for (std::size_t done = 0; done < size;) {
    const ssize_t n = pread(fd, to + done, size - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw Error(ErrorCode::kIo, name + ": cannot read: " + std::strerror(errno));
    if (n == 0) {
      throw Error(ErrorCode::kIo, name + ": ended after " + std::to_string(offset + done) +
                                      " bytes, expected " + std::to_string(offset + size));
    }
    done += static_cast<std::size_t>(n);
  }
}

}  // namespace linnet::weights
