// A library of a host that holds linnet, for parallel_unload_test: opened, used, closed.
#include <atomic>
#include <cstdint>
#include <memory>

#include "engine/core/parallel.h"

namespace {

std::int64_t sum(linnet::Threads& threads) {
  std::atomic<std::int64_t> total{0};
  linnet::parallel_for(threads, 30, 1, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t i = begin; i < end; ++i) total += i;
  });
  return total;
}

std::unique_ptr<linnet::Threads> of_the_library;  // destroyed by the unloading itself

}  // namespace

extern "C" {

/// Uses threads and destroys them.
[[gnu::visibility("default")]] std::int64_t use() {
  linnet::Threads threads(3);
  return sum(threads);
}
/// Uses threads and gives them to a host that never destroys them.
[[gnu::visibility("default")]] void* use_and_forget() {
  auto threads = std::make_unique<linnet::Threads>(3);
  return sum(*threads) == 435 ? threads.release() : nullptr;
}
/// Uses threads that live as long as the library.
[[gnu::visibility("default")]] std::int64_t use_and_keep() {
  of_the_library = std::make_unique<linnet::Threads>(3);
  return sum(*of_the_library);
}
}
