#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <new>

namespace linnet::bench {

enum class PageSize : std::uint8_t { k4K, k2M };

/// Anonymous memory, zero at first, on a border of 2 MB: on huge pages where the system gives them,
/// or on pages of 4 KB as a mapped file has them.
template <class T>
class Pages {
 public:
  explicit Pages(std::size_t n, PageSize size = PageSize::k2M)
      : bytes_((n * sizeof(T) + kHuge - 1) / kHuge * kHuge + kHuge) {
    base_ = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base_ == MAP_FAILED) throw std::bad_alloc();
    const auto address = reinterpret_cast<std::uintptr_t>(base_);
    aligned_ = reinterpret_cast<T*>((address + kHuge - 1) / kHuge * kHuge);
    madvise(aligned_, bytes_ - kHuge, size == PageSize::k2M ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
  }
  ~Pages() { munmap(base_, bytes_); }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  T* data() { return aligned_; }
  const T* data() const { return aligned_; }

 private:
  static constexpr std::size_t kHuge = 2 << 20;
  std::size_t bytes_;
  void* base_ = nullptr;
  T* aligned_ = nullptr;
};

}  // namespace linnet::bench
