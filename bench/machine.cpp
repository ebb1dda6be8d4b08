#include "bench/machine.h"

#include <immintrin.h>

#include <algorithm>
#include <cstdint>

#include "bench/interleave.h"

namespace linnet::bench {
namespace {

constexpr int kRounds = 20;

/// The least time of kRounds calls.
template <class F>
double best(F f) {
  double least = 1e9;
  for (int i = 0; i < kRounds; ++i) {
    const double start = now();
    f();
    least = std::min(least, now() - start);
  }
  return least;
}

constexpr int kChains = 12;  // two units with a latency of 4 or 5 need 10
constexpr std::int64_t kSteps = 100'000;

__attribute__((target("avx512f"))) void fma512() {
  __m512 acc[kChains] = {};
  const __m512 x = _mm512_set1_ps(0.999f);
  for (std::int64_t i = 0; i < kSteps; ++i) {
#pragma GCC unroll 16
    for (int c = 0; c < kChains; ++c) {
      acc[c] = _mm512_fmadd_ps(acc[c], x, x);
      asm volatile("" : "+v"(acc[c]));
    }
  }
}

__attribute__((target("avx2,fma"))) void fma256() {
  __m256 acc[kChains] = {};
  const __m256 x = _mm256_set1_ps(0.999f);
  for (std::int64_t i = 0; i < kSteps; ++i) {
#pragma GCC unroll 16
    for (int c = 0; c < kChains; ++c) {
      acc[c] = _mm256_fmadd_ps(acc[c], x, x);
      asm volatile("" : "+x"(acc[c]));
    }
  }
}

}  // namespace

double clock_ghz() {
  constexpr std::int64_t kCount = 300'000;
  const double least = best([] {
    std::uint64_t x = 3;
    for (std::int64_t i = 0; i < kCount; ++i) asm volatile("imul %0, %0" : "+r"(x));
  });
  return 3.0 * kCount / least * 1e-9;
}

double peak_gflops(kernels::Isa isa) {
  const bool wide = isa >= kernels::Isa::kAvx512;
  const double least = best([wide] { wide ? fma512() : fma256(); });
  return 2.0 * (wide ? 16 : 8) * kChains * kSteps / least * 1e-9;
}

}  // namespace linnet::bench
