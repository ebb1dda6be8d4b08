#pragma once

#include "kernels/avx512/vec.h"

namespace linnet::kernels::avx512 {
namespace {

/// acc[r][v] lane j goes on as the chain over k of fma(a[r·lda + k], b[k·ldb + v·ldv + j], acc).
/// `last` masks the loads of the last vector of b (absent lanes read as 0). Each step also asks for
/// the next P cache lines of `ahead`. 8 rows x 3 vectors = 24 accumulators of 32 registers; one
/// broadcast serves 3 products.
template <int R, int V, int P = 0>
[[gnu::always_inline]] inline void continue_chains(__m512 (&acc)[R][V], const float* a,
                                                   std::int64_t lda, const float* b,
                                                   std::int64_t ldb, std::int64_t K, __mmask16 last,
                                                   const float* ahead = nullptr,
                                                   std::int64_t ldv = 16) {
  for (std::int64_t k = 0; k < K; ++k, b += ldb) {
#pragma GCC unroll 4
    for (int line = 0; line < P; ++line) _mm_prefetch(ahead + (k * P + line) * 16, _MM_HINT_T0);
    __m512 w[V];
#pragma GCC unroll 8
    for (int v = 0; v < V - 1; ++v) w[v] = _mm512_loadu_ps(b + v * ldv);
    w[V - 1] = _mm512_maskz_loadu_ps(last, b + (V - 1) * ldv);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const __m512 x = _mm512_set1_ps(a[r * lda + k]);
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) acc[r][v] = _mm512_fmadd_ps(x, w[v], acc[r][v]);
    }
  }
}

/// The same from +0.
template <int R, int V, int P = 0>
[[gnu::always_inline]] inline void chains(__m512 (&acc)[R][V], const float* a, std::int64_t lda,
                                          const float* b, std::int64_t ldb, std::int64_t K,
                                          __mmask16 last, const float* ahead = nullptr,
                                          std::int64_t ldv = 16) {
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) acc[r][v] = _mm512_setzero_ps();
  }
  continue_chains<R, V, P>(acc, a, lda, b, ldb, K, last, ahead, ldv);
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

}  // namespace
}  // namespace linnet::kernels::avx512
