#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "tools/io/descriptor.h"

namespace linnet::io {

/// Bytes kept in a file without a name until it is known how many there are, so that memory stays
/// small however many they become. The file goes with the object.
class Spool {
 public:
  /// In `folder`, which should be on the disk where the bytes go in the end. Throws Error(kIo).
  explicit Spool(const std::string& folder);
  ~Spool();
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;

  void add(std::span<const std::byte> bytes);
  /// Everything that was added; nothing may be added afterwards.
  std::span<const std::byte> all();

 private:
  void flush();

  Descriptor file_;
  std::string name_;
  std::string buffer_;
  std::size_t written_ = 0;
  void* mapping_ = nullptr;
};

/// Where to spool what goes to `path`: its folder, and for standard output $TMPDIR, else /tmp.
std::string spool_folder(const std::string& path);

}  // namespace linnet::io
