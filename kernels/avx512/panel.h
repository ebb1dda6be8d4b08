#pragma once

#include "kernels/avx512/vec.h"

// Panels: columns of a product side by side, [K][width] with width a multiple of 16, as chains.h
// reads them.
namespace linnet::kernels::avx512 {
namespace {

constexpr std::int64_t kPanel = 48;

inline std::int64_t round_up_16(std::int64_t n) { return (n + 15) / 16 * 16; }

/// Transposes 16 vectors of 16 floats: the 2x2 blocks of pairs, then of pairs of pairs, then the
/// four 128-bit lanes.
[[gnu::always_inline]] inline void transpose_16(__m512 (&x)[16]) {
  __m512 t[16];
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) {  // rows 2i and 2i+1: columns 0 0 1 1 and 2 2 3 3 of each lane
    t[2 * i] = _mm512_unpacklo_ps(x[2 * i], x[2 * i + 1]);
    t[2 * i + 1] = _mm512_unpackhi_ps(x[2 * i], x[2 * i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {  // rows 4i .. 4i+3 of column c of each lane
#pragma GCC unroll 2
    for (int c = 0; c < 2; ++c) {
      const __m512d low = _mm512_castps_pd(t[4 * i + c]), high = _mm512_castps_pd(t[4 * i + 2 + c]);
      x[4 * i + 2 * c] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, high));
      x[4 * i + 2 * c + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, high));
    }
  }
#pragma GCC unroll 4
  for (int c = 0; c < 4; ++c) {  // lanes 0 and 2, lanes 1 and 3, of two groups of rows
    t[c] = _mm512_shuffle_f32x4(x[c], x[4 + c], 0x88);
    t[4 + c] = _mm512_shuffle_f32x4(x[c], x[4 + c], 0xDD);
    t[8 + c] = _mm512_shuffle_f32x4(x[8 + c], x[12 + c], 0x88);
    t[12 + c] = _mm512_shuffle_f32x4(x[8 + c], x[12 + c], 0xDD);
  }
#pragma GCC unroll 4
  for (int c = 0; c < 4; ++c) {
    x[c] = _mm512_shuffle_f32x4(t[c], t[8 + c], 0x88);
    x[8 + c] = _mm512_shuffle_f32x4(t[c], t[8 + c], 0xDD);
    x[4 + c] = _mm512_shuffle_f32x4(t[4 + c], t[12 + c], 0x88);
    x[12 + c] = _mm512_shuffle_f32x4(t[4 + c], t[12 + c], 0xDD);
  }
}

/// panel[k·padded + j] = rows[j·stride + k] for j < count and k < K, 0 for j from count to
/// padded = round_up_16(count).
inline void pack_rows(float* panel, const float* rows, std::int64_t stride, std::int64_t count,
                      std::int64_t K) {
  const std::int64_t padded = round_up_16(count);
  for (std::int64_t j = 0; j < padded; j += 16) {
    for_each_16(K, [=](std::int64_t k, __mmask16 mask) {
      __m512 x[16];
#pragma GCC unroll 16
      for (int i = 0; i < 16; ++i) {
        x[i] = j + i < count ? _mm512_maskz_loadu_ps(mask, rows + (j + i) * stride + k)
                             : _mm512_setzero_ps();
      }
      transpose_16(x);
      const std::int64_t steps = K - k < 16 ? K - k : 16;
      float* to = panel + k * padded + j;
#pragma GCC unroll 16
      for (int i = 0; i < 16; ++i) {
        if (i < steps) _mm512_storeu_ps(to + i * padded, x[i]);
      }
    });
  }
}

/// panel[k·padded + j] = columns[k·stride + j], otherwise the same.
inline void pack_columns(float* panel, const float* columns, std::int64_t stride,
                         std::int64_t count, std::int64_t K) {
  const std::int64_t padded = round_up_16(count);
  for (std::int64_t k = 0; k < K; ++k) {
    for (std::int64_t j = 0; j < padded; j += 16) {
      const __m512 x = _mm512_maskz_loadu_ps(first(count - j), columns + k * stride + j);
      _mm512_storeu_ps(panel + k * padded + j, x);
    }
  }
}

}  // namespace
}  // namespace linnet::kernels::avx512
