#pragma once

#include "kernels/avx512/vec.h"

namespace linnet::kernels::avx512 {
namespace {

/// x times r, 16 elements of which the mask has those that are there; r may be null.
[[gnu::always_inline]] inline __m512 scaled(const float* x, const float* r, __mmask16 mask) {
  const __m512 v = _mm512_maskz_loadu_ps(mask, x);
  return r == nullptr ? v : v * _mm512_maskz_loadu_ps(mask, r);
}

/// The butterflies of a Hadamard matrix of order n, up to 16, over n vectors.
template <int n>
[[gnu::always_inline]] inline void butterflies(__m512 (&v)[n]) {
#pragma GCC unroll 4
  for (int h = 1; h < n; h *= 2) {
#pragma GCC unroll 16
    for (int i = 0; i < n; ++i) {
      if ((i & h) != 0) continue;
      const __m512 sum = v[i] + v[i + h], difference = v[i] - v[i + h];
      v[i] = sum, v[i + h] = difference;
    }
  }
}

/// Butterflies of order n, up to 16, over each 16·n of `padded` elements of y, which come from the
/// K elements of x times r.
template <int n>
void rotate_first(float* y, const float* x, const float* r, std::int64_t K, std::int64_t padded) {
  for (std::int64_t k = 0; k < padded; k += 16 * n) {
    __m512 v[n];
    if (k + 16 * n <= K) {
#pragma GCC unroll 16
      for (int i = 0; i < n; ++i) {
        const std::int64_t at = k + 16 * i;
        v[i] = scaled(x + at, r == nullptr ? nullptr : r + at, 0xFFFF);
      }
    } else {
#pragma GCC unroll 16
      for (int i = 0; i < n; ++i) {
        const std::int64_t at = k + 16 * i;
        v[i] = scaled(x + at, r == nullptr ? nullptr : r + at, first(K > at ? K - at : 0));
      }
    }
    butterflies(v);
#pragma GCC unroll 16
    for (int i = 0; i < n; ++i) _mm512_storeu_ps(y + k + 16 * i, v[i]);
  }
}

/// The step h = 16 of order 32, in memory.
inline void rotate_halves(float* y) {
#pragma GCC unroll 4
  for (int i = 0; i < 16; ++i) {
    const __m512 a = _mm512_loadu_ps(y + 16 * i), b = _mm512_loadu_ps(y + 256 + 16 * i);
    _mm512_storeu_ps(y + 16 * i, a + b);
    _mm512_storeu_ps(y + 256 + 16 * i, a - b);
  }
}

inline __m512 rotate_in_lane(__m512 v) {
  // ±v[t] + v[t ^ S]: the sign is a product with ±1, which is exact.
  const auto signs = [](int S) {
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __mmask16 negative = _mm512_test_epi32_mask(lanes, _mm512_set1_epi32(S));
    return _mm512_mask_blend_ps(negative, Vec::splat(1.0f), Vec::splat(-1.0f));
  };
  v = Vec::fma(v, signs(1), _mm512_permute_ps(v, 0xB1));
  v = Vec::fma(v, signs(2), _mm512_permute_ps(v, 0x4E));
  v = Vec::fma(v, signs(4), _mm512_shuffle_f32x4(v, v, 0xB1));
  return Vec::fma(v, signs(8), _mm512_shuffle_f32x4(v, v, 0x4E));
}

inline void rotate_thirds(float* y, std::int64_t third) {
  const __m512 factor = Vec::splat(kMinusTwoThirds);
  for (std::int64_t j = 0; j < third; j += 16) {
    const __m512 a = _mm512_loadu_ps(y + j), b = _mm512_loadu_ps(y + third + j);
    const __m512 c = _mm512_loadu_ps(y + 2 * third + j), s = (a + b) + c;
    _mm512_storeu_ps(y + j, Vec::fma(s, factor, a));
    _mm512_storeu_ps(y + third + j, Vec::fma(s, factor, b));
    _mm512_storeu_ps(y + 2 * third + j, Vec::fma(s, factor, c));
  }
}

/// y [padded_k(K)] = transform of x [K]: RowTransform. y may be x.
inline void transform_row(float* y, const float* x, std::int64_t K, const RowTransform& f) {
  using FirstFn = void (*)(float*, const float*, const float*, std::int64_t, std::int64_t);
  const std::int64_t padded = padded_k(K);
  const FirstFn step = f.n >= 16  ? rotate_first<16>
                       : f.n == 8 ? rotate_first<8>
                       : f.n == 4 ? rotate_first<4>
                       : f.n == 2 ? rotate_first<2>
                                  : rotate_first<1>;
  step(y, x, f.r, K, padded);
  if (f.n == 0) return;
  for (std::int64_t k = 0; f.n == 32 && k < padded; k += 512) rotate_halves(y + k);
  if (f.thirds) rotate_thirds(y, padded / 3);
  for (std::int64_t k = 0; f.in_lane && k < padded; k += 16) {
    _mm512_storeu_ps(y + k, rotate_in_lane(_mm512_loadu_ps(y + k)));
  }
}

}  // namespace
}  // namespace linnet::kernels::avx512
