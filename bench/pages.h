#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <new>

namespace linnet::bench {

/// Anonymous memory on huge pages where the system gives them.
template <class T>
class Pages {
 public:
  explicit Pages(std::size_t n) : bytes_((n * sizeof(T) + kHuge - 1) / kHuge * kHuge + kHuge) {
    base_ = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base_ == MAP_FAILED) throw std::bad_alloc();
    const auto address = reinterpret_cast<std::uintptr_t>(base_);
    aligned_ = reinterpret_cast<T*>((address + kHuge - 1) / kHuge * kHuge);
    madvise(aligned_, bytes_ - kHuge, MADV_HUGEPAGE);
  }
  ~Pages() { munmap(base_, bytes_); }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  T* data() { return aligned_; }

 private:
  static constexpr std::size_t kHuge = 2 << 20;
  std::size_t bytes_;
  void* base_ = nullptr;
  T* aligned_ = nullptr;
};

}  // namespace linnet::bench
