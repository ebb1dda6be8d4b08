#pragma once

#include "kernels/avx512/vec.h"

namespace linnet::kernels::avx512 {
namespace {

/// Rows that a softmax reads and writes; y may be x.
struct SoftmaxRows {
  float* y;
  std::int64_t ldy;
  const float* x;
  std::int64_t ldx;
  std::int64_t n;
};

/// y[r, j] = exp(x[r, j] - max of the row), inverse[r] = 1 / Σ, for R rows: their maxima, sums and
/// reductions are independent, and one row alone would wait for each of them.
template <int R>
[[gnu::always_inline]] inline void exp_of_rows(const SoftmaxRows& a, float* inverse) {
  const __m512 lowest = _mm512_set1_ps(-__builtin_inff());
  __m512 max[R], sum[R];
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) max[r] = lowest, sum[r] = _mm512_setzero_ps();
  for_each_16(a.n, [&](std::int64_t j, __mmask16 mask) {
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      max[r] = _mm512_max_ps(max[r], _mm512_mask_loadu_ps(lowest, mask, a.x + r * a.ldx + j));
    }
  });
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) max[r] = _mm512_set1_ps(max_of(max[r]));
  for_each_16(a.n, [&](std::int64_t j, __mmask16 mask) {
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      const __m512 x = _mm512_maskz_loadu_ps(mask, a.x + r * a.ldx + j);
      const __m512 e = exp_of<Vec>(x - max[r]);
      _mm512_mask_storeu_ps(a.y + r * a.ldy + j, mask, e);
      sum[r] = _mm512_mask_add_ps(sum[r], mask, sum[r], e);
    }
  });
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) inverse[r] = 1.0f / sum_of(sum[r]);
}

/// The same for any number of rows.
inline void exp_of_all(SoftmaxRows a, std::int64_t rows, float* inverse) {
  std::int64_t r = 0;
  for (; r + 4 <= rows; r += 4, a.y += 4 * a.ldy, a.x += 4 * a.ldx) {
    exp_of_rows<4>(a, inverse + r);
  }
  for (; r < rows; ++r, a.y += a.ldy, a.x += a.ldx) exp_of_rows<1>(a, inverse + r);
}

}  // namespace
}  // namespace linnet::kernels::avx512
