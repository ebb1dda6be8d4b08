// What a region of the threads costs: an empty one, for the pool of our own (bench_parallel) and
// for OpenMP (bench_parallel_openmp), and from what size on a second thread pays for an operation.
#include "engine/core/parallel.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "tools/bench/machine.h"

namespace linnet {
namespace {

using Clock = std::chrono::steady_clock;

// Nanoseconds of one region with an empty body, over `rounds` rounds of 200 regions each, sorted.
// Before each round the caller is idle for `pause`: 0 finds the workers waiting actively, 1 ms
// finds them asleep, and then one region makes a round.
std::vector<double> empty_regions(Threads& threads, int rounds, std::chrono::microseconds pause) {
  const int regions = pause.count() == 0 ? 200 : 1;
  const auto nothing = [](void*, int) noexcept {};
  std::vector<double> ns;
  for (int round = 0; round < rounds; ++round) {
    if (pause.count() != 0) std::this_thread::sleep_for(pause);
    const auto start = Clock::now();
    for (int i = 0; i < regions; ++i) threads.run(threads.count(), nothing, nullptr);
    ns.push_back(std::chrono::duration<double, std::nano>(Clock::now() - start).count() / regions);
  }
  std::sort(ns.begin(), ns.end());
  return ns;
}

void report(int count) {
  Threads threads(count);
  empty_regions(threads, 50, std::chrono::microseconds{0});
  for (const int pause : {0, 1000}) {
    const auto ns =
        empty_regions(threads, pause == 0 ? 2000 : 500, std::chrono::microseconds{pause});
    std::printf(
        "%-7s %d threads  %-13s  min %6.0f  p25 %6.0f  median %6.0f  p90 %6.0f ns  %.2f GHz\n",
        threads_provider(), count, pause == 0 ? "back to back" : "after 1 ms", ns.front(),
        ns[ns.size() / 4], ns[ns.size() / 2], ns[ns.size() * 9 / 10], bench::clock_ghz());
  }
}

}  // namespace
}  // namespace linnet

int main(int argc, char** argv) {
  const int most = argc > 1 ? std::stoi(argv[1]) : linnet::available_threads();
  for (int count = 1; count <= most; count *= 2) linnet::report(count);
}
