#include "tests/support/count_allocations.h"

#include <cstdlib>
#include <new>

namespace {

thread_local bool counting = false;
thread_local int allocations = 0;
thread_local std::size_t largest = 0;

}  // namespace

namespace linnet::test {

void start_counting_allocations() {
  allocations = 0;
  largest = 0;
  counting = true;
}
int stop_counting_allocations() {
  counting = false;
  return allocations;
}
std::size_t largest_allocation() { return largest; }

}  // namespace linnet::test

#ifndef LINNET_SANITIZED

namespace {

void count(std::size_t n) {
  if (!counting) return;
  ++allocations;
  if (n > largest) largest = n;
}

}  // namespace

void* operator new(std::size_t n) {
  count(n);
  if (void* p = std::malloc(n == 0 ? 1 : n)) return p;
  throw std::bad_alloc();
}
void* operator new(std::size_t n, std::align_val_t a) {
  count(n);
  const auto align = static_cast<std::size_t>(a);
  if (void* p = std::aligned_alloc(align, (n + align - 1) / align * align)) return p;
  throw std::bad_alloc();
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }

#endif
