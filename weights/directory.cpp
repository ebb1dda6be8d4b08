#include "weights/directory.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <utility>

#include "weights/base/error.h"
#include "weights/base/text.h"
#include "weights/file_handle.h"

namespace linnet::weights {
namespace {

namespace fs = std::filesystem;

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
    : name_(path.empty() ? "\"\"" : printable(path.string())), symlinks_(symlinks) {
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
  return (fs::path(name_) / printable(file)).string();
}

// Opens what a symbolic link leads to, if that may be read.
int Directory::open_link(int folder, const std::string& base, std::string_view name) const {
  if (symlinks_ == Symlinks::kNone) {
    throw Error(ErrorCode::kIo, name_of(name) + ": is a symbolic link, and links are not followed");
  }
  if (symlinks_ == Symlinks::kAll) return openat(folder, base.c_str(), kOpenFile);
  std::error_code error;
  const fs::path target = fs::canonical(path_ / fs::path(name), error);
  if (error) {
    throw Error(ErrorCode::kIo,
                name_of(name) + ": is a symbolic link that leads nowhere: " + error.message());
  }
  const bool snapshot = path_.parent_path().filename() == "snapshots";
  const fs::path blobs = path_.parent_path().parent_path() / "blobs";
  if (!lies_in(target, path_) && !(snapshot && lies_in(target, blobs))) {
    throw Error(ErrorCode::kIo, name_of(name) + ": is a symbolic link to " +
                                    quote(target.string()) + ", outside the model directory");
  }
  return ::open(target.c_str(), kOpenFile | O_NOFOLLOW);
}

// Opens `base` in a folder; -1 when there is none. `name` is its path in this directory.
int Directory::open_entry(int folder, const std::string& base, std::string_view name) const {
  int fd = openat(folder, base.c_str(), kOpenFile | O_NOFOLLOW);
  if (fd < 0 && errno == ELOOP) fd = open_link(folder, base, name);
  if (fd < 0 && errno != ENOENT && errno != ENOTDIR) {
    throw Error(ErrorCode::kIo, name_of(name) + ": cannot open: " + std::strerror(errno));
  }
  return fd;
}

// The same for "base" or "folder/base".
int Directory::open_handle(std::string_view name) const {
  const std::size_t slash = name.find('/');
  const std::string folder(slash == name.npos ? "" : name.substr(0, slash));
  const std::string base(slash == name.npos ? name : name.substr(slash + 1));
  if (!is_plain_name(base) || (slash != name.npos && !is_plain_name(folder))) {
    throw Error(ErrorCode::kFormat, name_ + ": the file name " + quote(name) +
                                        " is not plain: expected no path, link or drive in it");
  }
  if (folder.empty()) return open_entry(fd_, base, name);
  const FileHandle sub(open_entry(fd_, folder, folder));
  return sub.get() < 0 ? -1 : open_entry(sub.get(), base, name);
}

std::optional<MappedFile> Directory::open(std::string_view name, FileAccess access) const {
  const FileHandle file(open_handle(name));
  if (file.get() < 0) return std::nullopt;
  return MappedFile(file.get(), name_of(name), access);
}

std::optional<FileFront> Directory::read_front(std::string_view name, std::int64_t most) const {
  const FileHandle file(open_handle(name));
  if (file.get() < 0) return std::nullopt;
  const std::size_t size = regular_file_size(file.get(), name_of(name));
  FileFront front{std::string(std::min(size, static_cast<std::size_t>(most)), '\0'),
                  static_cast<std::int64_t>(size)};
  read_bytes(file.get(), name_of(name), reinterpret_cast<std::byte*>(front.bytes.data()), 0,
             front.bytes.size());
  return front;
}

std::optional<std::string> Directory::read(std::string_view name, std::int64_t max_bytes) const {
  const FileHandle file(open_handle(name));
  if (file.get() < 0) return std::nullopt;
  const std::size_t size = regular_file_size(file.get(), name_of(name));
  if (size > static_cast<std::size_t>(max_bytes)) {
    throw Error(ErrorCode::kLimit, name_of(name) + ": has " + std::to_string(size) +
                                       " bytes, expected at most " + std::to_string(max_bytes));
  }
  std::string text(size, '\0');
  read_bytes(file.get(), name_of(name), reinterpret_cast<std::byte*>(text.data()), 0, size);
  return text;
}

bool Directory::has(std::string_view name) const {
  return FileHandle(open_handle(name)).get() >= 0;
}

}  // namespace linnet::weights
