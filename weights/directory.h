#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "weights/mapped_file.h"

namespace linnet::weights {

/// Which symbolic links inside a model directory are followed. kInside: to regular files of the
/// same directory, and of the same repository's blobs folder where the directory is a snapshot of
/// the Hub's cache. kAll and kNone are what they say.
enum class Symlinks { kInside, kAll, kNone };

struct FileFront {
  std::string bytes;
  std::int64_t file_bytes = 0;
};

/// A model directory, resolved once. Its files are opened relative to its handle and by plain
/// names: no path from a file can lead out of it.
class Directory {
 public:
  /// Throws kIo when it does not exist or is no directory.
  explicit Directory(const std::filesystem::path& path, Symlinks symlinks = Symlinks::kInside);
  ~Directory();
  Directory(Directory&& other) noexcept;
  Directory& operator=(Directory&& other) noexcept;

  /// The file `name` ("x" or "folder/x"), or nothing when there is none. Throws kFormat for a name
  /// that is not plain, kIo for everything else that is not a readable regular file.
  std::optional<MappedFile> open(std::string_view name, FileAccess access = FileAccess::kMap) const;

  /// The content of a small file; kLimit when it is larger than max_bytes. Nothing is allocated
  /// before that is known.
  std::optional<std::string> read(std::string_view name, std::int64_t max_bytes) const;

  /// The first bytes of a file, `most` of them or all, and its size.
  std::optional<FileFront> read_front(std::string_view name, std::int64_t most) const;

  /// True when there is such a file, whatever it is.
  bool has(std::string_view name) const;

  /// The path in messages: as given, made printable. name_of() is that of a file.
  const std::string& name() const { return name_; }
  std::string name_of(std::string_view file) const;
  const std::filesystem::path& path() const { return path_; }

 private:
  int open_handle(std::string_view name) const;
  int open_entry(int folder, const std::string& base, std::string_view name) const;
  int open_link(int folder, const std::string& base, std::string_view name) const;

  int fd_ = -1;
  std::string name_;
  std::filesystem::path path_;  // without links
  Symlinks symlinks_ = Symlinks::kInside;
};

/// True for names that may be joined to a directory: 1 to 255 bytes, no '/', '\', NUL, drive
/// letter,
/// "." or "..".
bool is_plain_name(std::string_view name);

}  // namespace linnet::weights
