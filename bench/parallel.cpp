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

#include "engine/core/context.h"
#include "engine/core/memory.h"
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

// Seconds of f(), the least of many calls.
template <class F>
double least(F f) {
  double best = 1;
  for (int i = 0; i < 2000; ++i) {
    const auto start = Clock::now();
    f();
    best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
  }
  return best;
}

// One call on the caller's thread and the same split in two, slices of [0, n) by `run`.
template <class Run>
void crossover(Threads& threads, const char* operation, std::int64_t size, std::int64_t n,
               Run run) {
  const double one = least([&] { run(0, n); });
  const double two = least([&] {
    parallel_for(threads, n, 1,
                 [&](std::int64_t begin, std::int64_t end, int) { run(begin, end); });
  });
  std::printf("%-12s %9ld  %7.2f  %7.2f us  %5.2f\n", operation, static_cast<long>(size), one * 1e6,
              two * 1e6, one / two);
}

// From what size on a second thread pays: of a product in multiply-adds, of LayerNorm in elements.
void crossovers() {
  constexpr std::int64_t K = 384, kPanels = 32;
  Threads threads(2);
  const kernels::KernelTable table = kernels::make_table(choose_isa());
  const kernels::GemmF32& gemm = table.gemm_f32;
  const std::int64_t most = kPanels * gemm.column_step, rows = 256;
  std::vector<float> w(static_cast<std::size_t>(most * K), 0.01f),
      x(static_cast<std::size_t>(rows * K), 0.5f);
  Block packed(gemm.packed_floats(most, K) * 4), y(rows * std::max(most, K) * 4);
  auto* panels = reinterpret_cast<float*>(packed.data());
  gemm.pack(panels, w.data(), K, 1, most, K, 0, most);
  std::printf("# %s: one thread, two, how much faster two are\n", kernels::name(table.isa));
  for (const std::int64_t M : {1, 8}) {
    for (std::int64_t n = 2; n <= kPanels; n *= 2) {
      const std::int64_t N = n * gemm.column_step;
      crossover(threads, M == 1 ? "linear M=1" : "linear M=8", M * N * K, n,
                [&](std::int64_t begin, std::int64_t end) {
                  kernels::GemmF32Args a;
                  a.y = reinterpret_cast<float*>(y.data()), a.ldy = N, a.x = x.data(), a.ldx = K;
                  a.w = panels, a.M = M, a.N = N, a.K = K;
                  a.n_begin = begin * gemm.column_step, a.n_end = end * gemm.column_step;
                  gemm.run(a);
                });
    }
  }
  for (std::int64_t n = 2; n <= rows; n *= 2) {
    crossover(threads, "layer_norm", n * K, n, [&](std::int64_t begin, std::int64_t end) {
      float* at = reinterpret_cast<float*>(y.data()) + begin * K;
      table.layer_norm_f32(at, nullptr, nullptr, x.data() + begin * K, w.data(), w.data(),
                           end - begin, K, 1e-5f);
    });
  }
}

}  // namespace
}  // namespace linnet

int main(int argc, char** argv) {
  const int most = argc > 1 ? std::stoi(argv[1]) : linnet::available_threads();
  for (int count = 1; count <= most; count *= 2) linnet::report(count);
  if (most > 1) linnet::crossovers();
}
