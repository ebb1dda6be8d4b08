#pragma once

#include "kernels/avx2/vec.h"

namespace linnet::kernels::avx2 {
namespace {

/// P panels of 16 columns, panel p at b + p·panel_stride:
/// acc[r][2p+h] lane j = chain over k of fma(a[r·lda + k], b[p·panel_stride + k·ldb + 8·h + j],
/// acc). With `ask`, each step also asks for the next cache line of `ahead`, and for the same of
/// the other panels. 6 rows x 1 panel = 12 accumulators of 16 registers.
template <int R, int P, bool ask = false>
[[gnu::always_inline]] inline void chains(__m256 (&acc)[R][2 * P], const float* a, std::int64_t lda,
                                          const float* b, std::int64_t ldb,
                                          std::int64_t panel_stride, std::int64_t K,
                                          const float* ahead = nullptr) {
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < 2 * P; ++v) acc[r][v] = _mm256_setzero_ps();
  }
  for (std::int64_t k = 0; k < K; ++k, b += ldb) {
#pragma GCC unroll 4
    for (int p = 0; p < P; ++p) {
      if (ask) _mm_prefetch(ahead + p * panel_stride + k * 16, _MM_HINT_T0);
      const __m256 w0 = _mm256_loadu_ps(b + p * panel_stride);
      const __m256 w1 = _mm256_loadu_ps(b + p * panel_stride + 8);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const __m256 x = _mm256_broadcast_ss(a + r * lda + k);
        acc[r][2 * p] = _mm256_fmadd_ps(x, w0, acc[r][2 * p]);
        acc[r][2 * p + 1] = _mm256_fmadd_ps(x, w1, acc[r][2 * p + 1]);
      }
    }
  }
}

/// Part `index` of `parts` nearly equal parts of [0, total): sizes differ by one at most, so a
/// remainder of a few rows is spread over all blocks.
struct Part {
  std::int64_t begin, size;
};
inline Part part_of(std::int64_t total, std::int64_t parts, std::int64_t index) {
  const std::int64_t size = total / parts, longer = total % parts;
  return {index * size + (index < longer ? index : longer), size + (index < longer ? 1 : 0)};
}

/// Stores R rows of P panels into a tile of [R][16·P] floats.
template <int R, int P>
[[gnu::always_inline]] inline void store_tile(float* tile, const __m256 (&acc)[R][2 * P]) {
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < 2 * P; ++v) _mm256_storeu_ps(tile + r * 16 * P + 8 * v, acc[r][v]);
  }
}

}  // namespace
}  // namespace linnet::kernels::avx2
