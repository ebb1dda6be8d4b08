#pragma once

#include "kernels/avx2/vec.h"

namespace linnet::kernels::avx2 {
namespace {

inline std::uint32_t max_of_u32(__m256i p8) {
  const __m128i p4 = _mm_max_epu32(_mm256_castsi256_si128(p8), _mm256_extracti128_si256(p8, 1));
  const __m128i p2 = _mm_max_epu32(p4, _mm_shuffle_epi32(p4, 0x4E));
  const __m128i p1 = _mm_max_epu32(p2, _mm_shuffle_epi32(p2, 0xB1));
  return static_cast<std::uint32_t>(_mm_cvtsi128_si32(p1));
}

inline __m256i magnitude_bits(__m256 x) { return _mm256_castps_si256(Vec::abs(x)); }

/// The greatest |x| by its bits: a NaN is greater than all.
inline std::uint32_t greatest(const float* x, std::int64_t K) {
  __m256i most[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
  for_each_8(K, [&](std::int64_t k, auto half, auto lanes) {
    __m256i& m = most[half.value];
    m = _mm256_max_epu32(m, magnitude_bits(load(x + k, lanes)));
  });
  return max_of_u32(_mm256_max_epu32(most[0], most[1]));
}

}  // namespace
}  // namespace linnet::kernels::avx2
