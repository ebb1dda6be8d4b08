// Compiled with -mavx2 -mfma, the least that linnet runs on: only immintrin.h and no inline
// function that another file could share.
#include "engine/backends/onednn/finish_s8.h"

#include <immintrin.h>

namespace linnet::onednn {
namespace {

void dequantise(float* y, const std::int32_t* acc, float x_scale, const float* w_scale,
                const float* bias, std::int64_t N) {
  const __m256 scale = _mm256_set1_ps(x_scale);
  std::int64_t n = 0;
  for (; n + 8 <= N; n += 8) {
    const __m256i sums = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(acc + n));
    const __m256 scaled = _mm256_mul_ps(_mm256_cvtepi32_ps(sums), scale);
    _mm256_storeu_ps(
        y + n, _mm256_fmadd_ps(scaled, _mm256_loadu_ps(w_scale + n), _mm256_loadu_ps(bias + n)));
  }
  for (; n < N; ++n) {
    y[n] = __builtin_fmaf(static_cast<float>(acc[n]) * x_scale, w_scale[n], bias[n]);
  }
}

}  // namespace

void finish_s8(const FinishS8& f, const std::int32_t* acc, std::int64_t M, std::int64_t N) {
  for (std::int64_t m = 0; m < M; ++m) {
    float* const y = f.y + m * f.ldy;
    // y may be the residual, which is still to be read.
    float* const product = f.residual != nullptr ? f.row : y;
    dequantise(product, acc + m * N, f.x_scale[m], f.w_scale, f.bias, N);
    if (f.activation != 0) f.activate(f.kernels, product, N, f.activation);
    if (f.residual == nullptr) continue;
    const float* const residual = f.residual + m * f.ld_residual;
    for (std::int64_t n = 0; n < N; ++n) y[n] = residual[n] + product[n];
  }
}

}  // namespace linnet::onednn
