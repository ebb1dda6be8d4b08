#include "kernels/avx512/avx512.h"
#include "kernels/avx512/vec.h"

namespace linnet::kernels::avx512 {

void activate_f32(float* y, const float* x, std::int64_t n, Activation activation) noexcept {
  with_activation<Vec>(activation, [=](auto f) {
    for_each_16(n, [=](std::int64_t i, __mmask16 mask) {
      _mm512_mask_storeu_ps(y + i, mask, f(_mm512_maskz_loadu_ps(mask, x + i)));
    });
  });
}

}  // namespace linnet::kernels::avx512
