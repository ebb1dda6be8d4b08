#pragma once

#include <cstddef>

namespace linnet::test {

#ifdef LINNET_SANITIZED
constexpr bool kCountsAllocations = false;  // a sanitizer brings its own operator new
#else
constexpr bool kCountsAllocations = true;
#endif

void start_counting_allocations();
int stop_counting_allocations();
/// Bytes of the largest one since counting was started.
std::size_t largest_allocation();

/// How often operator new is called by this thread while f runs. Link
/// tests/support/count_allocations.cpp.
template <class F>
int count_allocations(F&& f) {
  start_counting_allocations();
  f();
  return stop_counting_allocations();
}

}  // namespace linnet::test
