#pragma once

#include "kernels/avx512/vec.h"

namespace linnet::kernels::avx512 {
namespace {

/// y[j] = exp(x[j] - max) for j < n; returns 1 / Σ. In place ok.
inline float exp_of_row(float* y, const float* x, std::int64_t n) {
  const __m512 lowest = _mm512_set1_ps(-__builtin_inff());
  __m512 greatest = lowest, sum = _mm512_setzero_ps();
  for_each_16(n, [&](std::int64_t j, __mmask16 mask) {
    greatest = _mm512_max_ps(greatest, _mm512_mask_loadu_ps(lowest, mask, x + j));
  });
  const __m512 max = _mm512_set1_ps(max_of(greatest));
  for_each_16(n, [&](std::int64_t j, __mmask16 mask) {
    const __m512 e = exp_of<Vec>(_mm512_maskz_loadu_ps(mask, x + j) - max);
    _mm512_mask_storeu_ps(y + j, mask, e);
    sum = _mm512_mask_add_ps(sum, mask, sum, e);
  });
  return 1.0f / sum_of(sum);
}

}  // namespace
}  // namespace linnet::kernels::avx512
