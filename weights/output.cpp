#include "weights/output.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include "weights/base/error.h"
#include "weights/base/text.h"
#include "weights/file_handle.h"

namespace linnet::weights {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const std::string& name, const char* what) {
  const int error = errno;
  throw Error(ErrorCode::kIo, printable(name) + ": cannot " + what + ": " + std::strerror(error));
}

fs::path parent_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

void sync(const fs::path& path) {
  const FileHandle handle(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (handle.get() < 0) fail(path.string(), "open");
  // Some file systems cannot sync directories; they say EINVAL.
  if (fsync(handle.get()) != 0 && errno != EINVAL) fail(path.string(), "sync");
}

// A directory with everything in it.
void sync_tree(const fs::path& directory) {
  try {
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(directory)) {
      const bool file = entry.is_regular_file() || entry.is_directory();
      if (file && !entry.is_symlink()) sync(entry.path());
    }
  } catch (const fs::filesystem_error& e) {
    throw Error(ErrorCode::kIo, printable(e.what()));
  }
  sync(directory);
}

// Removes what processes left that died while they wrote this directory. A process that lives holds
// a lock on its own, also where its number means nothing to us.
void remove_left_overs(const std::string& path) {
  const std::string start = fs::path(path).filename().string() + ".tmp.";
  std::error_code error;
  for (fs::directory_iterator it(parent_of(path), error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (!name.starts_with(start)) continue;
    pid_t pid = 0;
    const char* const last = name.data() + name.size();
    const auto parsed = std::from_chars(name.data() + start.size(), last, pid);
    if (parsed.ec != std::errc() || parsed.ptr != last || pid <= 0) continue;
    if (kill(pid, 0) == 0 || errno != ESRCH) continue;
    const FileHandle folder(
        open(it->path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
    if (folder.get() < 0 || flock(folder.get(), LOCK_EX | LOCK_NB) != 0) continue;
    std::error_code ignored;
    fs::remove_all(it->path(), ignored);
  }
}

std::string beside(const std::string& path, const char* what) {
  return path + "." + what + "." + std::to_string(getpid());
}

void rename_to(const std::string& from, const std::string& to) {
  if (std::rename(from.c_str(), to.c_str()) != 0) fail(to, "rename to");
}

// Devices and pipes take what is written and have no temporary file beside them.
void write_through(const std::string& path, const std::function<void(OutputFile&)>& content) {
  const FileHandle handle(open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY));
  if (handle.get() < 0) fail(path, "open");
  OutputFile file(handle.get(), path);
  content(file);
}

}  // namespace

void OutputFile::write(const void* data, std::size_t bytes) {
  const auto* from = static_cast<const char*>(data);
  for (std::size_t done = 0; done < bytes;) {
    const ssize_t n = ::write(fd_, from + done, bytes - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) fail(name_, "write");
    done += static_cast<std::size_t>(n);
  }
}

void sync_directory(const std::string& path) { sync(path); }

void write_file(const std::string& path, const std::function<void(OutputFile&)>& content) {
  std::error_code ignored;
  const fs::file_status existing = fs::status(path, ignored);
  if (fs::is_directory(existing)) {
    throw Error(ErrorCode::kInvalidArgument, printable(path) + ": is a directory");
  }
  if (fs::exists(existing) && !fs::is_regular_file(existing)) return write_through(path, content);

  const std::string temporary = beside(path, "tmp");
  unlink(temporary.c_str());  // of an earlier process that had this number
  int fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0) fail(path, "create");
  try {
    OutputFile file(fd, path);
    content(file);
    if (fsync(fd) != 0) fail(path, "sync");
    if (close(std::exchange(fd, -1)) != 0 && errno != EINTR) fail(path, "close");
    rename_to(temporary, path);
  } catch (...) {
    if (fd >= 0) close(fd);
    unlink(temporary.c_str());
    throw;
  }
  sync(parent_of(path));
}

OutputDirectory::OutputDirectory(std::string path, Existing existing)
    : path_(std::move(path)), existing_(existing) {
  while (path_.size() > 1 && path_.back() == '/') path_.pop_back();
  const fs::path last = fs::path(path_).filename();
  if (last.empty() || last == "." || last == "..") {
    throw Error(ErrorCode::kInvalidArgument, quote(path_) + ": no name for a new directory");
  }
  refuse_existing();
  remove_left_overs(path_);
  temporary_ = beside(path_, "tmp");
  std::error_code ignored;
  fs::remove_all(temporary_, ignored);  // of an earlier process that had this number
  if (mkdir(temporary_.c_str(), 0755) != 0) fail(path_, "create");
  lock_ = open(temporary_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  // Where a file system has no locks, left-overs are not told from work.
  if (lock_ >= 0) flock(lock_, LOCK_EX | LOCK_NB);
}

OutputDirectory::~OutputDirectory() {
  std::error_code ignored;
  if (!committed_) fs::remove_all(temporary_, ignored);
  if (lock_ >= 0) close(lock_);
}

// Whether there is something at the path; throws when it is not to be replaced.
bool OutputDirectory::refuse_existing() const {
  std::error_code ignored;
  const bool exists = fs::exists(fs::symlink_status(path_, ignored));
  if (exists && existing_ == Existing::kRefuse) {
    throw Error(ErrorCode::kInvalidArgument,
                printable(path_) + ": exists, and is not to be overwritten");
  }
  return exists;
}

void OutputDirectory::commit() {
  sync_tree(temporary_);
  std::string old;  // where the replaced directory is
  if (!refuse_existing()) {
    rename_to(temporary_, path_);
  } else if (renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, path_.c_str(), RENAME_EXCHANGE) ==
             0) {
    old = temporary_;
  } else if (errno == EINVAL) {
    // Network file systems cannot exchange: for a moment there is none, but never half of one.
    old = beside(path_, "old");
    rename_to(path_, old);
    try {
      rename_to(temporary_, path_);
    } catch (const Error&) {
      rename_to(old, path_);
      throw;
    }
  } else {
    fail(path_, "rename to");
  }
  committed_ = true;
  sync(parent_of(path_));
  std::error_code error;
  if (!old.empty()) fs::remove_all(old, error);
  if (error) {
    throw Error(ErrorCode::kIo, printable(path_) +
                                    ": is written, but what it replaced is still at " + quote(old) +
                                    ": " + error.message());
  }
}

}  // namespace linnet::weights
