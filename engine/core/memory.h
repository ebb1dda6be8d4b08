#pragma once

#include <cstddef>
#include <cstdint>

namespace linnet {

/// One anonymous mapping: zero pages on first touch, never cleared by us (clearing 100 MB costs
/// more than a forward pass of a small model). Blocks of 2 MiB and more ask for huge pages.
class Block {
 public:
  Block() = default;
  /// Throws Error(kLimit) when the address space or memory limit does not allow it.
  explicit Block(std::int64_t bytes);
  ~Block();
  Block(Block&& other) noexcept;
  Block& operator=(Block&& other) noexcept;

  std::byte* data() const { return data_; }
  std::int64_t bytes() const { return bytes_; }

 private:
  std::byte* data_ = nullptr;  // 4 KiB aligned, 2 MiB when that large
  std::int64_t bytes_ = 0;
  std::byte* mapping_ = nullptr;
  std::size_t mapped_ = 0;
};

/// Reads all pages of these bytes and keeps them in memory until they are unmapped. Throws kLimit
/// when the system does not allow it; `name` says whose they are.
void lock_in_memory(const void* data, std::int64_t bytes, const char* name);

}  // namespace linnet
