#include "kernels/reference/reference.h"
#include "kernels/reference/scalar.h"

namespace linnet::kernels::reference {

void normalize_l2_f32(float* y, const float* x, std::int64_t M, std::int64_t D,
                      float eps) noexcept {
  for (std::int64_t m = 0; m < M; ++m, x += D, y += D) {
    Partials squares;
    for (std::int64_t d = 0; d < D; ++d) {
      squares.p[d % 16] = Scalar::fma(x[d], x[d], squares.p[d % 16]);
    }
    const float norm = Scalar::max(eps, __builtin_sqrtf(squares.sum()));
    for (std::int64_t d = 0; d < D; ++d) y[d] = x[d] / norm;
  }
}

}  // namespace linnet::kernels::reference
