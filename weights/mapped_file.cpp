#include "weights/mapped_file.h"

#include <sys/mman.h>

#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include "weights/base/error.h"
#include "weights/file_handle.h"

namespace linnet::weights {
MappedFile::MappedFile(int fd, std::string name, FileAccess access)
    : access_(access), name_(std::move(name)) {
  size_ = regular_file_size(fd, name_);
  if (size_ == 0) return;
  const bool mapped = access == FileAccess::kMap;
  void* p = mmap(nullptr, size_, mapped ? PROT_READ : PROT_READ | PROT_WRITE,
                 mapped ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS, mapped ? fd : -1, 0);
  if (p == MAP_FAILED) {
    constexpr std::size_t kMiB = std::size_t{1} << 20;
    throw Error(ErrorCode::kLimit, name_ + ": needs " + std::to_string((size_ + kMiB - 1) / kMiB) +
                                       " MiB of memory: " + std::strerror(errno));
  }
  data_ = static_cast<std::byte*>(p);
  if (mapped) return;
  try {
    read_bytes(fd, name_, data_, 0, size_);
  } catch (...) {
    munmap(data_, size_);
    throw;
  }
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) munmap(data_, size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept { *this = std::move(other); }

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(access_, other.access_);
  std::swap(name_, other.name_);
  return *this;
}

void MappedFile::release(std::span<const std::byte> part) const {
  if (access_ != FileAccess::kMap || part.empty()) return;
  constexpr std::uintptr_t kPage = 4096;
  const auto begin = (std::bit_cast<std::uintptr_t>(part.data()) + kPage - 1) / kPage * kPage;
  const auto end = std::bit_cast<std::uintptr_t>(part.data() + part.size()) / kPage * kPage;
  if (begin < end) madvise(std::bit_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

}  // namespace linnet::weights
