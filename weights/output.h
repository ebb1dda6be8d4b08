#pragma once

#include <cstddef>
#include <functional>
#include <string>

// Files and directories that are complete or absent, whatever happens while they are written.
namespace linnet::weights {

/// The file being written. Throws kIo with the system's reason when a write does not go through.
class OutputFile {
 public:
  OutputFile(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}
  void write(const void* data, std::size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }

 private:
  int fd_;
  std::string name_;
};

/// Writes `path` by way of a temporary file PATH.tmp.PID beside it: content, fsync, rename, fsync
/// of the directory. An existing file or link is replaced; a device or pipe is written to. When
/// anything up to the rename fails the temporary file is gone and `path` is as before. Throws kIo,
/// kInvalidArgument for a directory, and what `content` throws.
void write_file(const std::string& path, const std::function<void(OutputFile&)>& content);

/// fsync of a directory: its names outlast a loss of power. Throws kIo.
void sync_directory(const std::string& path);

enum class Existing { kRefuse, kReplace };

/// A directory under construction: a sibling NAME.tmp.PID until commit() gives it its name. Without
/// commit() it is removed. What processes that were killed have left beside it is removed too.
class OutputDirectory {
 public:
  /// Throws kInvalidArgument when `path` exists and is not to be replaced, kIo when it cannot be
  /// made.
  OutputDirectory(std::string path, Existing existing);
  ~OutputDirectory();
  OutputDirectory(const OutputDirectory&) = delete;
  OutputDirectory& operator=(const OutputDirectory&) = delete;

  /// Where to write the files.
  const std::string& temporary_path() const { return temporary_; }
  /// Syncs all files, then swaps the new directory with an existing one, which is deleted last.
  void commit();

 private:
  bool refuse_existing() const;

  std::string path_, temporary_;
  Existing existing_;
  int lock_ = -1;  // held on the directory while it is written
  bool committed_ = false;
};

}  // namespace linnet::weights
