#include "kernels/avx2/avx2.h"
#include "kernels/avx2/vec.h"

namespace linnet::kernels::avx2 {

void activate_f32(float* y, const float* x, std::int64_t n, Activation activation) noexcept {
  with_activation<Vec>(activation, [=](auto f) {
    for_each_8(
        n, [=](std::int64_t i, auto, auto lanes) { store(y + i, f(load(x + i, lanes)), lanes); });
  });
}

}  // namespace linnet::kernels::avx2
