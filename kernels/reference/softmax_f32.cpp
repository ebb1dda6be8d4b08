#include "kernels/reference/reference.h"
#include "kernels/reference/scalar.h"

namespace linnet::kernels::reference {

void softmax_f32(float* y, std::int64_t ldy, const float* x, std::int64_t ldx, std::int64_t M,
                 std::int64_t N) noexcept {
  for (std::int64_t m = 0; m < M; ++m, x += ldx, y += ldy) {
    float max = -__builtin_inff();
    for (std::int64_t j = 0; j < N; ++j) max = Scalar::max(max, x[j]);
    Partials sum;
    for (std::int64_t j = 0; j < N; ++j) {
      y[j] = exp_of<Scalar>(x[j] - max);
      sum.p[j % 16] += y[j];
    }
    const float inverse = 1.0f / sum.sum();
    for (std::int64_t j = 0; j < N; ++j) y[j] *= inverse;
  }
}

}  // namespace linnet::kernels::reference
