#include "kernels/avx512/avx512.h"
#include "kernels/avx512/softmax.h"

namespace linnet::kernels::avx512 {

void softmax_f32(float* y, std::int64_t ldy, const float* x, std::int64_t ldx, std::int64_t M,
                 std::int64_t N) noexcept {
  for (std::int64_t m = 0; m < M; ++m, x += ldx, y += ldy) {
    const __m512 inverse = _mm512_set1_ps(exp_of_row(y, x, N));
    for_each_16(N, [=](std::int64_t j, __mmask16 mask) {
      _mm512_mask_storeu_ps(y + j, mask, _mm512_maskz_loadu_ps(mask, y + j) * inverse);
    });
  }
}

}  // namespace linnet::kernels::avx512
