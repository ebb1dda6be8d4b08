#pragma once

#include <immintrin.h>

#include <cstdint>

#include "kernels/formulas.h"

namespace linnet::kernels::avx512 {
namespace {

/// The primitives of kernels/formulas.h for 16 floats.
struct Vec {
  using V = __m512;
  static V splat(float c) { return _mm512_set1_ps(c); }
  static V fma(V a, V b, V c) { return _mm512_fmadd_ps(a, b, c); }
  static V negated_fma(V a, V b, V c) { return _mm512_fnmadd_ps(a, b, c); }
  static V min(V a, V b) { return _mm512_min_ps(a, b); }
  static V max(V a, V b) { return _mm512_max_ps(a, b); }
  static V sqrt(V a) { return _mm512_sqrt_ps(a); }
  static V abs(V a) { return _mm512_abs_ps(a); }
  static V copysign(V magnitude, V sign) {
    // 0xCA: a ? b : c for every bit, a being the mask of the sign.
    const __m512i mask = _mm512_set1_epi32(INT32_MIN);
    return _mm512_castsi512_ps(_mm512_ternarylogic_epi32(mask, _mm512_castps_si512(sign),
                                                         _mm512_castps_si512(magnitude), 0xCA));
  }
  static V select_less(V a, V b, V yes, V no) {
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), no, yes);
  }
  static V scale(V p, V t) {
    // The low bits of t are n; 2^n has the exponent field n + 127.
    const __m512i biased = _mm512_add_epi32(_mm512_castps_si512(t), _mm512_set1_epi32(127));
    return p * _mm512_castsi512_ps(_mm512_slli_epi32(biased, 23));
  }
};

/// The first `count` of 16 lanes.
inline __mmask16 first(std::int64_t count) {
  return static_cast<__mmask16>(count >= 16 ? 0xFFFF : (1u << count) - 1);
}

/// Calls f(offset, mask) for every 16 of n elements; the last mask may be partial.
template <class F>
[[gnu::always_inline]] inline void for_each_16(std::int64_t n, F f) {
  std::int64_t i = 0;
  for (; i + 16 <= n; i += 16) f(i, static_cast<__mmask16>(0xFFFF));
  if (i < n) f(i, first(n - i));
}

/// The sum of 16 partials: p[j] += p[j+8] for j < 8, then +4, +2, +1.
inline float sum_of(__m512 p) {
  const __m256 p8 = _mm256_add_ps(_mm512_castps512_ps256(p), _mm512_extractf32x8_ps(p, 1));
  const __m128 p4 = _mm_add_ps(_mm256_castps256_ps128(p8), _mm256_extractf128_ps(p8, 1));
  const __m128 p2 = _mm_add_ps(p4, _mm_movehl_ps(p4, p4));
  return _mm_cvtss_f32(_mm_add_ss(p2, _mm_movehdup_ps(p2)));
}

/// The greatest of 16 lanes; the order matters for NaN only, which end in the sum anyway.
inline float max_of(__m512 p) {
  const __m256 p8 = _mm256_max_ps(_mm512_castps512_ps256(p), _mm512_extractf32x8_ps(p, 1));
  const __m128 p4 = _mm_max_ps(_mm256_castps256_ps128(p8), _mm256_extractf128_ps(p8, 1));
  const __m128 p2 = _mm_max_ps(p4, _mm_movehl_ps(p4, p4));
  return _mm_cvtss_f32(_mm_max_ss(p2, _mm_movehdup_ps(p2)));
}

}  // namespace
}  // namespace linnet::kernels::avx512
