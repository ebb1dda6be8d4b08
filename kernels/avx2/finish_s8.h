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

/// Where a block of sums begins in y, and how many of its columns exist.
struct BlockS8 {
  std::int64_t m, n, width;
};

/// R rows and V vectors of columns whose sums are in registers.
template <int R, int V>
[[gnu::always_inline]] inline void finish_s8(const GemmS8Args& a, const BlockS8& b,
                                             const __m256i (&acc)[R][V]) {
  if (a.activation != Activation::kNone || b.width < 8 * V) {
    alignas(32) float tile[R][8 * V];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) {
        _mm256_store_ps(&tile[r][8 * v], _mm256_castsi256_ps(acc[r][v]));
      }
    }
    for (int r = 0; r < R; ++r) finish_row_s8(a, b.m + r, b.n, b.width, tile[r]);
    return;
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    const __m256 row_scale = _mm256_set1_ps(a.x_scale[b.m + r]);
    float* y = a.y + (b.m + r) * a.ldy + b.n;
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) {
      const __m256 scale = _mm256_loadu_ps(a.w_scale + b.n + 8 * v);
      const __m256 bias = a.bias != nullptr ? _mm256_loadu_ps(a.bias + b.n + 8 * v) : Vec::splat(0);
      __m256 sum = Vec::fma(_mm256_cvtepi32_ps(acc[r][v]) * row_scale, scale, bias);
      if (a.residual != nullptr) {
        sum = _mm256_loadu_ps(a.residual + (b.m + r) * a.ld_residual + b.n + 8 * v) + sum;
      }
      _mm256_storeu_ps(y + 8 * v, sum);
    }
  }
}

}  // namespace
}  // namespace linnet::kernels::avx2
