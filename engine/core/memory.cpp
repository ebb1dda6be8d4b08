#include "engine/core/memory.h"

#include <sys/mman.h>

#include <bit>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "weights/base/error.h"

namespace linnet {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;

}  // namespace

Block::Block(std::int64_t bytes) : bytes_(bytes) {
  if (bytes <= 0) return;
  const auto wanted = static_cast<std::size_t>(bytes);
  const bool huge = wanted >= kHugePage;
  // A mapping starts on a 4 KiB page: room to move up to the next 2 MiB border.
  mapped_ = huge ? wanted + kHugePage : wanted;
  void* p = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) {
    throw Error(ErrorCode::kLimit, "memory: needs " + std::to_string((wanted >> 20) + 1) +
                                       " MiB more than this process may have");
  }
  mapping_ = static_cast<std::byte*>(p);
  data_ = mapping_;
  if (huge) {
    const auto address = std::bit_cast<std::uintptr_t>(mapping_);
    data_ += (kHugePage - address % kHugePage) % kHugePage;
    madvise(data_, wanted, MADV_HUGEPAGE);  // a wish; without it pages are 4 KiB
  }
}

Block::~Block() {
  if (mapping_ != nullptr) munmap(mapping_, mapped_);
}

Block::Block(Block&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      bytes_(std::exchange(other.bytes_, 0)),
      mapping_(std::exchange(other.mapping_, nullptr)),
      mapped_(std::exchange(other.mapped_, 0)) {}

Block& Block::operator=(Block&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  std::swap(mapping_, other.mapping_);
  std::swap(mapped_, other.mapped_);
  return *this;
}

void lock_in_memory(const void* data, std::int64_t bytes, const char* name) {
  if (bytes <= 0 || mlock(data, static_cast<std::size_t>(bytes)) == 0) return;
  throw Error(ErrorCode::kLimit, std::string(name) + ": " + std::to_string(bytes) +
                                     " bytes cannot be locked in memory: " + std::strerror(errno) +
                                     " (see `ulimit -l`)");
}

}  // namespace linnet
