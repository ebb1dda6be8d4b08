#include "weights/directory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <cstring>
#include <utility>

#include "weights/base/error.h"
#include "weights/base/text.h"

namespace linnet::weights {
namespace {

namespace fs = std::filesystem;

// Closes a file descriptor at the end of its scope.
class Handle {
 public:
  explicit Handle(int fd) : fd_(fd) {}
  ~Handle() {
    if (fd_ >= 0) close(fd_);
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

bool lies_in(const fs::path& file, const fs::path& folder) {
  const fs::path relative = file.lexically_relative(folder);
  return !relative.empty() && *relative.begin() != ".." && relative != ".";
}

// O_NONBLOCK: a FIFO must not hold us up before fstat can tell what it is.
constexpr int kOpenFile = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

}  // namespace

bool is_plain_name(std::string_view name) {
  if (name.empty() || name == "." || name == ".." || name.size() > 255) return false;
  if (name.find_first_of(std::string_view("/\\\0", 3)) != name.npos) return false;
  return !(name.size() >= 2 && name[1] == ':' && std::isalpha(static_cast<unsigned char>(name[0])));
}

Directory::Directory(const fs::path& path, Symlinks symlinks)
    : name_(path.string()), symlinks_(symlinks) {
  std::error_code error;
  path_ = fs::canonical(path, error);
  if (error) throw Error(ErrorCode::kIo, name_ + ": " + error.message());
  fd_ = ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd_ < 0) {
    throw Error(ErrorCode::kIo, name_ + ": " +
                                    (errno == ENOTDIR ? "is a file, expected a model directory"
                                                      : std::strerror(errno)));
  }
}

Directory::~Directory() {
  if (fd_ >= 0) close(fd_);
}

Directory::Directory(Directory&& other) noexcept { *this = std::move(other); }

Directory& Directory::operator=(Directory&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(name_, other.name_);
  std::swap(path_, other.path_);
  std::swap(symlinks_, other.symlinks_);
  return *this;
}

std::string Directory::name_of(std::string_view file) const {
  return (fs::path(name_) / fs::path(file)).string();
}

// Opens a file that is a symbolic link, if its target may be read.
int Directory::open_link(int folder, const std::string& base, std::string_view name) const {
  if (symlinks_ == Symlinks::kNone) {
    throw Error(ErrorCode::kIo, name_of(name) + ": is a symbolic link, and links are not followed");
  }
  if (symlinks_ == Symlinks::kAll) return openat(folder, base.c_str(), kOpenFile);
  std::error_code error;
  const fs::path target = fs::canonical(path_ / fs::path(name), error);
  if (error) {
    errno = error.value();
    return -1;
  }
  const bool snapshot = path_.parent_path().filename() == "snapshots";
  const fs::path blobs = path_.parent_path().parent_path() / "blobs";
  if (!lies_in(target, path_) && !(snapshot && lies_in(target, blobs))) {
    throw Error(ErrorCode::kIo, name_of(name) + ": is a symbolic link to " +
                                    quote(target.string()) + ", outside the model directory");
  }
  return ::open(target.c_str(), kOpenFile | O_NOFOLLOW);
}

std::optional<MappedFile> Directory::open(std::string_view name, FileAccess access) const {
  const std::size_t slash = name.find('/');
  const std::string folder(slash == name.npos ? "" : name.substr(0, slash));
  const std::string base(slash == name.npos ? name : name.substr(slash + 1));
  if (!is_plain_name(base) || (slash != name.npos && !is_plain_name(folder))) {
    throw Error(ErrorCode::kFormat, name_ + ": the file name " + quote(name) +
                                        " is not plain: expected no path, link or drive in it");
  }
  const auto missing_or_fail = [&](int error) -> std::optional<MappedFile> {
    if (error == ENOENT || error == ENOTDIR) return std::nullopt;
    throw Error(ErrorCode::kIo, name_of(name) + ": cannot open: " + std::strerror(error));
  };
  const Handle sub(folder.empty() ? -1
                                  : openat(fd_, folder.c_str(),
                                           O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  if (!folder.empty() && sub.get() < 0) return missing_or_fail(errno);
  const int parent = folder.empty() ? fd_ : sub.get();
  int fd = openat(parent, base.c_str(), kOpenFile | O_NOFOLLOW);
  if (fd < 0 && errno == ELOOP) fd = open_link(parent, base, name);
  if (fd < 0) return missing_or_fail(errno);
  const Handle file(fd);
  return MappedFile(fd, name_of(name), access);
}

std::optional<std::string> Directory::read(std::string_view name, std::int64_t max_bytes) const {
  const auto file = open(name, FileAccess::kMap);
  if (!file) return std::nullopt;
  const auto bytes = file->bytes();
  if (static_cast<std::int64_t>(bytes.size()) > max_bytes) {
    throw Error(ErrorCode::kLimit, file->name() + ": has " + std::to_string(bytes.size()) +
                                       " bytes, expected at most " + std::to_string(max_bytes));
  }
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

}  // namespace linnet::weights
