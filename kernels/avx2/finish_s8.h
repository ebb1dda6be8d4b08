#pragma once

#include "kernels/avx2/vec.h"

// From the sums of an INT8 product to y: scales, bias, activation, residual.
namespace linnet::kernels::avx2 {
namespace {

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
    for_each_8(width, [&](std::int64_t j, auto, auto lanes) {
      __m256 y = f(load(sums + j, lanes));
      if (a.residual != nullptr) y = load(a.residual + m * a.ld_residual + n + j, lanes) + y;
      store(a.y + m * a.ldy + n + j, y, lanes);
    });
  });
}

}  // namespace
}  // namespace linnet::kernels::avx2
