#include "weights/output.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include "weights/base/error.h"

namespace linnet::weights {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const std::string& name, const char* what) {
  throw Error(ErrorCode::kIo, name + ": cannot " + what + ": " + std::strerror(errno));
}

fs::path parent_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

void sync_directory(const fs::path& directory) {
  const int fd = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) fail(directory.string(), "open");
  const int result = fsync(fd);
  close(fd);
  // Some file systems have no fsync of directories; they say EINVAL.
  if (result != 0 && errno != EINVAL) fail(directory.string(), "sync");
}

}  // namespace

void OutputFile::write(const void* data, std::size_t bytes) {
  const auto* from = static_cast<const char*>(data);
  for (std::size_t done = 0; done < bytes;) {
    const ssize_t n = ::write(fd_, from + done, bytes - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(name_, "write");
    done += static_cast<std::size_t>(n);
  }
}

void write_file(const std::string& path, const std::function<void(OutputFile&)>& content) {
  const std::string temporary = path + ".tmp." + std::to_string(getpid());
  int fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (fd < 0) fail(path, "create");
  try {
    OutputFile file(fd, path);
    content(file);
    if (fsync(fd) != 0) fail(path, "sync");
    const int closed = close(std::exchange(fd, -1));
    if (closed != 0) fail(path, "close");
    if (std::rename(temporary.c_str(), path.c_str()) != 0) fail(path, "rename");
  } catch (...) {
    if (fd >= 0) close(fd);
    unlink(temporary.c_str());
    throw;
  }
  sync_directory(parent_of(path));
}

OutputDirectory::OutputDirectory(std::string path, Existing existing)
    : path_(std::move(path)), existing_(existing) {
  while (path_.size() > 1 && path_.back() == '/') path_.pop_back();
  std::error_code error;
  if (fs::exists(fs::symlink_status(path_, error)) && existing_ == Existing::kRefuse) {
    throw Error(ErrorCode::kInvalidArgument, path_ + ": exists, and is not to be overwritten");
  }
  temporary_ = path_ + ".tmp." + std::to_string(getpid());
  fs::remove_all(temporary_, error);  // of an earlier process that had this number
  if (mkdir(temporary_.c_str(), 0755) != 0) fail(path_, "create");
}

OutputDirectory::~OutputDirectory() {
  std::error_code ignored;
  if (!committed_) fs::remove_all(temporary_, ignored);
}

void OutputDirectory::commit() {
  sync_directory(temporary_);
  // With the flag 0 of renameat2 an existing target must be an empty directory; exchanged, there is
  // no moment without a whole one.
  const bool exists = fs::exists(fs::symlink_status(path_));
  if (exists && existing_ == Existing::kRefuse) {
    throw Error(ErrorCode::kInvalidArgument, path_ + ": exists, and is not to be overwritten");
  }
  const unsigned flags = exists ? RENAME_EXCHANGE : RENAME_NOREPLACE;
  if (renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, path_.c_str(), flags) != 0) {
    fail(path_, "rename to");
  }
  committed_ = true;
  sync_directory(parent_of(path_));
  if (exists) fs::remove_all(temporary_);
}

}  // namespace linnet::weights
