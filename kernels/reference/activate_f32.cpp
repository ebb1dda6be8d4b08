#include "kernels/reference/reference.h"
#include "kernels/reference/scalar.h"

namespace linnet::kernels::reference {

void activate_f32(float* y, const float* x, std::int64_t n, Activation activation) noexcept {
  with_activation<Scalar>(activation, [=](auto f) {
    for (std::int64_t i = 0; i < n; ++i) y[i] = f(x[i]);
  });
}

}  // namespace linnet::kernels::reference
