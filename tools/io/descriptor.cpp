#include "tools/io/descriptor.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "tools/cli/signals.h"
#include "weights/base/error.h"

namespace linnet::io {

Descriptor::~Descriptor() {
  if (fd_ > STDERR_FILENO) ::close(fd_);
}

void fail(const std::string& name, int code) {
  throw Error(ErrorCode::kIo, name + ": " + std::generic_category().message(code));
}

std::string input_name(const std::string& path) { return path == "-" ? "standard input" : path; }

Descriptor open_input(const std::string& path) {
  if (path == "-") return Descriptor(STDIN_FILENO);
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) fail(path, errno);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) fail(path, errno);
  if (S_ISDIR(status.st_mode)) fail(path, EISDIR);
  return file;
}

std::size_t read_some(int fd, char* to, std::size_t bytes, const std::string& name) {
  while (true) {
    cli::await_input(fd);
    const ssize_t n = ::read(fd, to, bytes);
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno != EINTR) fail(name, errno);
  }
}

}  // namespace linnet::io
