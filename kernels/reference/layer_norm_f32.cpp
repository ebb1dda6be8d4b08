#include "kernels/reference/reference.h"
#include "kernels/reference/scalar.h"

namespace linnet::kernels::reference {

void layer_norm_f32(float* y, float* mean, float* rstd, const float* x, const float* gamma,
                    const float* beta, std::int64_t M, std::int64_t D, float eps) noexcept {
  const auto count = static_cast<float>(D);
  for (std::int64_t m = 0; m < M; ++m, x += D, y += D) {
    Partials sum, squares;
    for (std::int64_t d = 0; d < D; ++d) sum.p[d % 16] += x[d];
    const float mu = sum.sum() / count;
    for (std::int64_t d = 0; d < D; ++d) {
      const float centred = x[d] - mu;
      squares.p[d % 16] = Scalar::fma(centred, centred, squares.p[d % 16]);
    }
    const float r = 1.0f / __builtin_sqrtf(squares.sum() / count + eps);
    for (std::int64_t d = 0; d < D; ++d) y[d] = Scalar::fma((x[d] - mu) * r, gamma[d], beta[d]);
    if (mean != nullptr) mean[m] = mu;
    if (rstd != nullptr) rstd[m] = r;
  }
}

}  // namespace linnet::kernels::reference
