#include "tools/bench/machine.h"

#include <immintrin.h>

#include <algorithm>
#include <cstdint>

#include "tools/bench/interleave.h"
#include "tools/bench/pages.h"

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

__attribute__((target("avx512f,avx512vnni"))) void dot512() {
  __m512i acc[kChains] = {};
  const __m512i x = _mm512_set1_epi8(3);
  for (std::int64_t i = 0; i < kSteps; ++i) {
#pragma GCC unroll 16
    for (int c = 0; c < kChains; ++c) {
      acc[c] = _mm512_dpbusd_epi32(acc[c], x, x);
      asm volatile("" : "+v"(acc[c]));
    }
  }
}

__attribute__((target("avx2,avxvnni"))) void dot256() {
  __m256i acc[kChains] = {};
  const __m256i x = _mm256_set1_epi8(3);
  for (std::int64_t i = 0; i < kSteps; ++i) {
#pragma GCC unroll 16
    for (int c = 0; c < kChains; ++c) {
      acc[c] = _mm256_dpbusd_avx_epi32(acc[c], x, x);
      asm volatile("" : "+x"(acc[c]));
    }
  }
}

constexpr int kChainsBf16 = 24;  // a latency of 6

__attribute__((target("avx512f,avx512bf16"))) void dot_bf16() {
  __m512 acc[kChainsBf16] = {};
  const auto x = reinterpret_cast<__m512bh>(_mm512_set1_epi16(0x3f80));
  for (std::int64_t i = 0; i < kSteps; ++i) {
#pragma GCC unroll 24
    for (int c = 0; c < kChainsBf16; ++c) {
      acc[c] = _mm512_dpbf16_ps(acc[c], x, x);
      asm volatile("" : "+v"(acc[c]));
    }
  }
}

/// Without VNNI: the least that is exact, invert, multiply, widen and add.
__attribute__((target("avx2"))) void exact256() {
  __m256i acc[kChains] = {};
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i x = _mm256_set1_epi8(3);
  for (std::int64_t i = 0; i < kSteps; ++i) {
#pragma GCC unroll 16
    for (int c = 0; c < kChains; ++c) {
      asm volatile("" : "+x"(x));
      const __m256i pairs = _mm256_maddubs_epi16(x, _mm256_xor_si256(x, ones));
      acc[c] = _mm256_add_epi32(acc[c], _mm256_madd_epi16(pairs, ones));
      asm volatile("" : "+x"(acc[c]));
    }
  }
}

}  // namespace

__attribute__((target("avx2"))) void read_linearly(const std::uint8_t* p, std::size_t bytes) {
  __m256i sum[4] = {};
  for (std::size_t i = 0; i < bytes; i += 128) {
#pragma GCC unroll 4
    for (int c = 0; c < 4; ++c) {
      const auto* from = reinterpret_cast<const __m256i*>(p + i + 32 * static_cast<std::size_t>(c));
      sum[c] = _mm256_xor_si256(sum[c], _mm256_load_si256(from));
      asm volatile("" : "+x"(sum[c]));
    }
  }
}

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

double peak_gops_s8(kernels::Isa isa) {
  const bool wide = isa >= kernels::Isa::kAvx512Vnni;
  const double least = best([isa, wide] {
    wide ? dot512() : isa == kernels::Isa::kAvxVnni ? dot256() : exact256();
  });
  return 2.0 * (wide ? 64 : 32) * kChains * kSteps / least * 1e-9;
}

double peak_gflops_bf16() {
  return 2.0 * 32 * kChainsBf16 * kSteps / best([] { dot_bf16(); }) * 1e-9;
}

double memory_gbytes() {
  constexpr std::size_t kBytes = std::size_t{256} << 20;
  static Pages<std::uint8_t> memory(kBytes);
  static const bool written = [] {
    for (std::size_t i = 0; i < kBytes; i += 64) memory.data()[i] = 1;
    return true;
  }();
  static_cast<void>(written);
  double least = 1e9;
  for (int i = 0; i < 5; ++i) {
    const double start = now();
    read_linearly(memory.data(), kBytes);
    least = std::min(least, now() - start);
  }
  return static_cast<double>(kBytes) / least * 1e-9;
}

}  // namespace linnet::bench
