#pragma once

#include "kernels/avx2/vec.h"

// Two vectors of 8 are the 16 lanes of RowTransform.
namespace linnet::kernels::avx2 {
namespace {

/// (v[i], v[i+h]) = (v[i] + v[i+h], v[i] - v[i+h]) for i without the bit h.
template <int n>
[[gnu::always_inline]] inline void butterflies(__m256 (&v)[n]) {
#pragma GCC unroll 4
  for (int h = 1; h < n; h *= 2) {
#pragma GCC unroll 8
    for (int i = 0; i < n; ++i) {
      if ((i & h) != 0) continue;
      const __m256 sum = v[i] + v[i + h], difference = v[i] - v[i + h];
      v[i] = sum, v[i + h] = difference;
    }
  }
}

/// The butterflies of order n, up to 8, over n·16 elements at y, which come from x times r, of
/// which `present` elements are there.
template <int n>
void rotate_first(float* y, const float* x, const float* r, std::int64_t present) {
  for (int half = 0; half < 16; half += 8) {
    __m256 v[n];
#pragma GCC unroll 8
    for (int i = 0; i < n; ++i) {
      const Tail lanes = first(present - 16 * i - half);
      v[i] = load(x + 16 * i + half, lanes);
      if (r != nullptr) v[i] = v[i] * load(r + 16 * i + half, lanes);
    }
    butterflies(v);
#pragma GCC unroll 8
    for (int i = 0; i < n; ++i) _mm256_storeu_ps(y + 16 * i + half, v[i]);
  }
}

/// The steps from h = 8 on, of `count` = n/8 groups of 8, in memory.
template <int count>
void rotate_groups(float* y) {
  for (int j = 0; j < 128; j += 8) {
    __m256 v[count];
#pragma GCC unroll 4
    for (int i = 0; i < count; ++i) v[i] = _mm256_loadu_ps(y + 128 * i + j);
    butterflies(v);
#pragma GCC unroll 4
    for (int i = 0; i < count; ++i) _mm256_storeu_ps(y + 128 * i + j, v[i]);
  }
}

/// The steps S = 1, 2, 4 of 8 lanes.
inline __m256 rotate_in_half(__m256 v) {
  // ±v[t] + v[t ^ S]: the sign is a product with ±1, which is exact.
  v = Vec::fma(v, _mm256_setr_ps(1, -1, 1, -1, 1, -1, 1, -1), _mm256_permute_ps(v, 0xB1));
  v = Vec::fma(v, _mm256_setr_ps(1, 1, -1, -1, 1, 1, -1, -1), _mm256_permute_ps(v, 0x4E));
  return Vec::fma(v, _mm256_setr_ps(1, 1, 1, 1, -1, -1, -1, -1),
                  _mm256_permute2f128_ps(v, v, 0x01));
}

inline void rotate_thirds(float* y, std::int64_t third) {
  const __m256 factor = Vec::splat(kMinusTwoThirds);
  for (std::int64_t j = 0; j < third; j += 8) {
    const __m256 a = _mm256_loadu_ps(y + j), b = _mm256_loadu_ps(y + third + j);
    const __m256 c = _mm256_loadu_ps(y + 2 * third + j), s = (a + b) + c;
    _mm256_storeu_ps(y + j, Vec::fma(s, factor, a));
    _mm256_storeu_ps(y + third + j, Vec::fma(s, factor, b));
    _mm256_storeu_ps(y + 2 * third + j, Vec::fma(s, factor, c));
  }
}

/// y [padded_k(K)] = transform of x [K]: RowTransform. y may be x.
inline void transform_row(float* y, const float* x, std::int64_t K, const RowTransform& f) {
  using FirstFn = void (*)(float*, const float*, const float*, std::int64_t);
  const std::int64_t padded = padded_k(K);
  const FirstFn step = f.n >= 8   ? rotate_first<8>
                       : f.n == 4 ? rotate_first<4>
                       : f.n == 2 ? rotate_first<2>
                                  : rotate_first<1>;
  const std::int64_t width = f.n >= 8 ? 128 : f.n == 0 ? 16 : 16 * f.n;
  for (std::int64_t k = 0; k < padded; k += width) {
    const std::int64_t present = K > k ? K - k : 0;
    step(y + k, x + k, f.r == nullptr ? nullptr : f.r + k, present);
  }
  if (f.n == 0) return;
  for (std::int64_t k = 0; f.n == 16 && k < padded; k += 256) rotate_groups<2>(y + k);
  for (std::int64_t k = 0; f.n == 32 && k < padded; k += 512) rotate_groups<4>(y + k);
  if (f.thirds) rotate_thirds(y, padded / 3);
  for (std::int64_t k = 0; f.in_lane && k < padded; k += 16) {
    const __m256 low = rotate_in_half(_mm256_loadu_ps(y + k));
    const __m256 high = rotate_in_half(_mm256_loadu_ps(y + k + 8));
    _mm256_storeu_ps(y + k, low + high);
    _mm256_storeu_ps(y + k + 8, low - high);
  }
}

}  // namespace
}  // namespace linnet::kernels::avx2
