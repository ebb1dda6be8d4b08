#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace linnet::weights {

/// kMap: pages of the file itself, shared by all processes that map it. kRead: a private copy;
/// notices a file that is shortened while it is read.
enum class FileAccess { kMap, kRead };

/// The bytes of a regular file, read-only. The size is taken once, at the start. A mapped file that
/// somebody else changes in place is outside any promise; a file replaced by rename stays whole.
class MappedFile {
 public:
  MappedFile() = default;
  /// `fd` is open for reading and stays the caller's; `name` stands in errors (kIo).
  MappedFile(int fd, std::string name, FileAccess access);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::string& name() const { return name_; }

  /// Tells the system that the pages wholly inside `part` are not needed for now; they are read
  /// again when they are. Nothing happens for kRead.
  void release(std::span<const std::byte> part) const;

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  FileAccess access_ = FileAccess::kMap;
  std::string name_;
};

}  // namespace linnet::weights
