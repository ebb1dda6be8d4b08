#include "engine/core/parallel.h"

#include <gtest/gtest.h>
#include <xmmintrin.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "weights/base/error.h"

namespace linnet {
namespace {

TEST(Parallel, EveryIndexOnceForAnyThreadsAndGrain) {
  for (int count : {1, 2, 3, 4, 8}) {
    Threads threads(count);
    for (std::int64_t n : {0, 1, 2, 3, 7, 8, 9, 1000}) {
      for (std::int64_t grain : {1, 3, 500}) {
        std::vector<std::atomic<int>> seen(static_cast<std::size_t>(n));
        parallel_for(threads, n, grain, [&](std::int64_t begin, std::int64_t end, int thread) {
          EXPECT_LT(thread, count);
          for (std::int64_t i = begin; i < end; ++i) seen[static_cast<std::size_t>(i)]++;
        });
        for (const auto& times : seen) ASSERT_EQ(times, 1) << "n " << n << " threads " << count;
      }
    }
  }
}

TEST(Parallel, SmallWorkStaysOnTheCaller) {
  Threads threads(4);
  const auto caller = std::this_thread::get_id();
  parallel_for(threads, 5, 3, [&](std::int64_t begin, std::int64_t end, int thread) {
    EXPECT_EQ(begin, 0);
    EXPECT_EQ(end, 5);
    EXPECT_EQ(thread, 0);
    EXPECT_EQ(std::this_thread::get_id(), caller);
  });
}

TEST(Parallel, SlicesAreInFixedPlaces) {
  Threads threads(3);
  std::vector<std::pair<std::int64_t, std::int64_t>> slices(3);
  for (int repeat = 0; repeat < 50; ++repeat) {
    parallel_for(threads, 100, 1, [&](std::int64_t begin, std::int64_t end, int thread) {
      slices[static_cast<std::size_t>(thread)] = {begin, end};
    });
    EXPECT_EQ(slices[0], std::pair(std::int64_t{0}, std::int64_t{33}));
    EXPECT_EQ(slices[1], std::pair(std::int64_t{33}, std::int64_t{66}));
    EXPECT_EQ(slices[2], std::pair(std::int64_t{66}, std::int64_t{100}));
  }
}

// Regions with different numbers of threads follow each other at once: a worker that is left out of
// one must neither run it nor miss the next.
TEST(Parallel, ManyRegionsOfChangingWidth) {
  Threads threads(4);
  std::int64_t total = 0;
  for (int i = 0; i < 20000; ++i) {
    const int used = 1 + i % 4;
    std::atomic<int> ran{0};
    parallel_for(threads, used, 1, [&](std::int64_t, std::int64_t, int) { ++ran; });
    ASSERT_EQ(ran, used);
    total += ran;
  }
  EXPECT_EQ(total, 5000 * (1 + 2 + 3 + 4));
}

TEST(Parallel, WorkersRoundToNearestAndKeepDenormals) {
  const unsigned host = _mm_getcsr();
  _mm_setcsr(host | 0x8040);  // flush to zero and denormals are zero, as -ffast-math hosts have it
  Threads threads(2);
  std::atomic<unsigned> worker{0};
  parallel_for(threads, 2, 1, [&](std::int64_t, std::int64_t, int thread) {
    if (thread == 1) worker = _mm_getcsr() & ~0x3Fu;
  });
  _mm_setcsr(host);
  EXPECT_EQ(worker, 0x1F80u);
}

TEST(Parallel, RefusesNoThreads) {
  EXPECT_THROW(Threads(0), Error);
  EXPECT_THROW(Threads(-3), Error);
  if (std::string(threads_provider()) != "pool") return;  // OpenMP has no limit of its own
  EXPECT_THROW(Threads(1 << 20), Error);
}

}  // namespace
}  // namespace linnet
