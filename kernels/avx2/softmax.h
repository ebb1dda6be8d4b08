#pragma once

#include "kernels/avx2/vec.h"

namespace linnet::kernels::avx2 {
namespace {

/// The greatest of 8 lanes; the order matters for NaN only, which end in the sum anyway.
inline float max_of(__m256 p8) {
  const __m128 p4 = _mm_max_ps(_mm256_castps256_ps128(p8), _mm256_extractf128_ps(p8, 1));
  const __m128 p2 = _mm_max_ps(p4, _mm_movehl_ps(p4, p4));
  return _mm_cvtss_f32(_mm_max_ss(p2, _mm_movehdup_ps(p2)));
}

/// y[j] = exp(x[j] - max) for j < n; returns 1 / Σ. In place ok.
inline float exp_of_row(float* y, const float* x, std::int64_t n) {
  const __m256 lowest = _mm256_set1_ps(-__builtin_inff());
  __m256 greatest[2] = {lowest, lowest};
  for_each_8(n, [&](std::int64_t j, auto half, auto lanes) {
    __m256& g = greatest[half.value];
    g = _mm256_max_ps(g, keep_or(load(x + j, lanes), lowest, lanes));
  });
  const __m256 max = _mm256_set1_ps(max_of(_mm256_max_ps(greatest[0], greatest[1])));
  Partials sum;
  for_each_8(n, [&](std::int64_t j, auto half, auto lanes) {
    const __m256 e = exp_of<Vec>(load(x + j, lanes) - max);
    store(y + j, e, lanes);
    __m256& p = sum.p[half.value];
    p = p + keep(e, lanes);
  });
  return 1.0f / sum.sum();
}

}  // namespace
}  // namespace linnet::kernels::avx2
