#pragma once

#include "kernels/avx2/vec.h"

// Panels: 16 columns of a product side by side, [K][16], as chains.h reads them.
namespace linnet::kernels::avx2 {
namespace {

constexpr std::int64_t kPanel = 16;

inline std::int64_t round_up_16(std::int64_t n) { return (n + kPanel - 1) / kPanel * kPanel; }

/// Transposes 8 vectors of 8 floats: the 2x2 blocks of pairs, then of pairs of pairs, then the two
/// 128-bit lanes.
[[gnu::always_inline]] inline void transpose_8(__m256 (&x)[8]) {
  __m256 t[8];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {  // rows 2i and 2i+1: columns 0 0 1 1 and 2 2 3 3 of each lane
    t[2 * i] = _mm256_unpacklo_ps(x[2 * i], x[2 * i + 1]);
    t[2 * i + 1] = _mm256_unpackhi_ps(x[2 * i], x[2 * i + 1]);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {  // rows 4i .. 4i+3 of column c of each lane
#pragma GCC unroll 2
    for (int c = 0; c < 2; ++c) {
      const __m256d low = _mm256_castps_pd(t[4 * i + c]), high = _mm256_castps_pd(t[4 * i + 2 + c]);
      x[4 * i + 2 * c] = _mm256_castpd_ps(_mm256_unpacklo_pd(low, high));
      x[4 * i + 2 * c + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(low, high));
    }
  }
#pragma GCC unroll 4
  for (int c = 0; c < 4; ++c) {
    t[c] = _mm256_permute2f128_ps(x[c], x[4 + c], 0x20);
    t[4 + c] = _mm256_permute2f128_ps(x[c], x[4 + c], 0x31);
  }
#pragma GCC unroll 8
  for (int c = 0; c < 8; ++c) x[c] = t[c];
}

/// panel[k·16 + j] = rows[j·stride + k] for j < count and k < K, 0 for j from count to 16.
inline void pack_rows(float* panel, const float* rows, std::int64_t stride, std::int64_t count,
                      std::int64_t K) {
  for (std::int64_t j = 0; j < kPanel; j += 8) {
    for_each_8(K, [=](std::int64_t k, auto, auto lanes) {
      __m256 x[8];
#pragma GCC unroll 8
      for (int i = 0; i < 8; ++i) {
        x[i] = j + i < count ? load(rows + (j + i) * stride + k, lanes) : _mm256_setzero_ps();
      }
      transpose_8(x);
      const std::int64_t steps = K - k < 8 ? K - k : 8;
#pragma GCC unroll 8
      for (int i = 0; i < 8; ++i) {
        if (i < steps) _mm256_storeu_ps(panel + (k + i) * kPanel + j, x[i]);
      }
    });
  }
}

/// panel[k·16 + j] = columns[k·stride + j], otherwise the same.
inline void pack_columns(float* panel, const float* columns, std::int64_t stride,
                         std::int64_t count, std::int64_t K) {
  for (std::int64_t k = 0; k < K; ++k) {
    for (std::int64_t j = 0; j < kPanel; j += 8) {
      const std::int64_t left = count - j < 0 ? 0 : count - j;
      _mm256_storeu_ps(panel + k * kPanel + j, load(columns + k * stride + j, first(left)));
    }
  }
}

}  // namespace
}  // namespace linnet::kernels::avx2
