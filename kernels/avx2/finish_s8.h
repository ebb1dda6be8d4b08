#pragma once

#include "kernels/avx2/vec.h"

// From the sums of an INT8 product to y: scales, bias, activation, residual.
namespace linnet::kernels::avx2 {
namespace {

inline std::uint32_t max_of_u32(__m256i p8) {
  const __m128i p4 = _mm_max_epu32(_mm256_castsi256_si128(p8), _mm256_extracti128_si256(p8, 1));
  const __m128i p2 = _mm_max_epu32(p4, _mm_shuffle_epi32(p4, 0x4E));
  const __m128i p1 = _mm_max_epu32(p2, _mm_shuffle_epi32(p2, 0xB1));
  return static_cast<std::uint32_t>(_mm_cvtsi128_si32(p1));
}

inline __m256i magnitude_bits(__m256 x) { return _mm256_castps_si256(Vec::abs(x)); }

/// y of one row m and `width` columns from n, whose sums are in `sums`. Its floats pass through the
/// same memory.
inline void finish_row_s8(const GemmS8Args& a, std::int64_t m, std::int64_t n, std::int64_t width,
                          float* sums) {
  const __m256 row_scale = _mm256_set1_ps(a.x_scale[m]);
  for_each_8(width, [&](std::int64_t j, auto, auto lanes) {
    const __m256 acc = _mm256_cvtepi32_ps(_mm256_castps_si256(load(sums + j, lanes)));
    const __m256 bias = a.bias != nullptr ? load(a.bias + n + j, lanes) : _mm256_setzero_ps();
    store(sums + j, Vec::fma(acc * row_scale, load(a.w_scale + n + j, lanes), bias), lanes);
  });
  with_activation<Vec>(a.activation, [&](auto f) {
    __m256i most = _mm256_setzero_si256();
    for_each_8(width, [&](std::int64_t j, auto, auto lanes) {
      __m256 y = f(load(sums + j, lanes));
      if (a.residual != nullptr) y = load(a.residual + m * a.ld_residual + n + j, lanes) + y;
      store(a.y + m * a.ldy + n + j, y, lanes);
      most = _mm256_max_epu32(most, magnitude_bits(keep(y, lanes)));
    });
    if (a.amax != nullptr) {
      const std::uint32_t greatest = max_of_u32(most);
      if (greatest > a.amax[m]) a.amax[m] = greatest;
    }
  });
}

}  // namespace
}  // namespace linnet::kernels::avx2
