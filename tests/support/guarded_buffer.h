#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <type_traits>

namespace linnet::test {

/// Where the elements of a guarded buffer touch the page without access.
enum class Guard {
  kAfter,   ///< the last element ends at it: reads and writes past the end fault
  kBefore,  ///< the first element begins at it: reads and writes before the start fault
};

/// n elements between two pages without access, one of which they touch. Elements start as 0.
template <class T>
class GuardedBuffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  explicit GuardedBuffer(std::size_t n, Guard guard = Guard::kAfter) : size_(n) {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t inner = (n * sizeof(T) + page - 1) / page * page;
    mapped_ = inner + 2 * page;
    base_ = mmap(nullptr, mapped_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base_ == MAP_FAILED) throw std::bad_alloc();
    std::byte* first = static_cast<std::byte*>(base_) + page;
    if (inner > 0 && mprotect(first, inner, PROT_READ | PROT_WRITE) != 0) throw std::bad_alloc();
    if (guard == Guard::kAfter) first += inner - n * sizeof(T);
    data_ = reinterpret_cast<T*>(first);
  }
  ~GuardedBuffer() { munmap(base_, mapped_); }
  GuardedBuffer(const GuardedBuffer&) = delete;
  GuardedBuffer& operator=(const GuardedBuffer&) = delete;

  T* data() { return data_; }
  const T* data() const { return data_; }
  std::size_t size() const { return size_; }
  std::span<T> span() { return {data_, size_}; }
  std::span<const T> span() const { return {data_, size_}; }
  T& operator[](std::size_t i) { return data_[i]; }
  const T& operator[](std::size_t i) const { return data_[i]; }

 private:
  void* base_ = nullptr;
  std::size_t mapped_ = 0, size_ = 0;
  T* data_ = nullptr;
};

}  // namespace linnet::test
