#pragma once

#include <immintrin.h>

#include <cstdint>

#include "kernels/formulas.h"

namespace linnet::kernels::avx2 {
namespace {

/// The primitives of kernels/formulas.h for 8 floats.
struct Vec {
  using V = __m256;
  static V splat(float c) { return _mm256_set1_ps(c); }
  static V fma(V a, V b, V c) { return _mm256_fmadd_ps(a, b, c); }
  static V negated_fma(V a, V b, V c) { return _mm256_fnmadd_ps(a, b, c); }
  static V min(V a, V b) { return _mm256_min_ps(a, b); }
  static V max(V a, V b) { return _mm256_max_ps(a, b); }
  static V sqrt(V a) { return _mm256_sqrt_ps(a); }
  static V abs(V a) { return _mm256_andnot_ps(splat(-0.0f), a); }
  static V copysign(V magnitude, V sign) {
    return _mm256_or_ps(abs(magnitude), _mm256_and_ps(splat(-0.0f), sign));
  }
  static V select_less(V a, V b, V yes, V no) {
    return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
  }
  static V scale(V p, V t) {
    // The low bits of t are n; 2^n has the exponent field n + 127.
    const __m256i biased = _mm256_add_epi32(_mm256_castps_si256(t), _mm256_set1_epi32(127));
    return p * _mm256_castsi256_ps(_mm256_slli_epi32(biased, 23));
  }
};

/// Which of 8 lanes an access touches: all, or the first few.
struct Full {};
struct Tail {
  __m256i mask;
};

inline Tail first(std::int64_t count) {
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return {_mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), lanes)};
}

inline __m256 load(const float* p, Full) { return _mm256_loadu_ps(p); }
inline __m256 load(const float* p, Tail t) { return _mm256_maskload_ps(p, t.mask); }
inline void store(float* p, __m256 x, Full) { _mm256_storeu_ps(p, x); }
inline void store(float* p, __m256 x, Tail t) { _mm256_maskstore_ps(p, t.mask, x); }
/// x with 0, or with `absent`, in the lanes that are not touched.
inline __m256 keep(__m256 x, Full) { return x; }
inline __m256 keep(__m256 x, Tail t) { return _mm256_and_ps(x, _mm256_castsi256_ps(t.mask)); }
inline __m256 keep_or(__m256 x, __m256, Full) { return x; }
inline __m256 keep_or(__m256 x, __m256 absent, Tail t) {
  return _mm256_blendv_ps(absent, x, _mm256_castsi256_ps(t.mask));
}

/// Half of the 16 partials: elements 0..7 or 8..15 of each 16.
template <int half>
struct Half {
  static constexpr int value = half;
};

/// Calls f(offset, Half, lanes) for every 8 of n elements.
template <class F>
[[gnu::always_inline]] inline void for_each_8(std::int64_t n, F f) {
  std::int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    f(i, Half<0>{}, Full{});
    f(i + 8, Half<1>{}, Full{});
  }
  if (n - i >= 8) {
    f(i, Half<0>{}, Full{});
    if (n - i > 8) f(i + 8, Half<1>{}, first(n - i - 8));
  } else if (i < n) {
    f(i, Half<0>{}, first(n - i));
  }
}

/// The 16 partial sums of a row reduction. Adding +0 in an absent lane changes no bit: a partial
/// that began at +0 is never -0.
struct Partials {
  __m256 p[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};

  /// p[j] += p[j+8] for j < 8, then +4, +2, +1.
  float sum() const {
    const __m256 p8 = _mm256_add_ps(p[0], p[1]);
    const __m128 p4 = _mm_add_ps(_mm256_castps256_ps128(p8), _mm256_extractf128_ps(p8, 1));
    const __m128 p2 = _mm_add_ps(p4, _mm_movehl_ps(p4, p4));
    return _mm_cvtss_f32(_mm_add_ss(p2, _mm_movehdup_ps(p2)));
  }
};

}  // namespace
}  // namespace linnet::kernels::avx2
