#include "kernels/avx512/avx512.h"
#include "kernels/avx512/softmax.h"

namespace linnet::kernels::avx512 {

void softmax_f32(float* y, std::int64_t ldy, const float* x, std::int64_t ldx, std::int64_t M,
                 std::int64_t N) noexcept {
  constexpr std::int64_t kBlock = 4;
  for (std::int64_t m = 0; m < M; m += kBlock, x += kBlock * ldx, y += kBlock * ldy) {
    const std::int64_t rows = M - m < kBlock ? M - m : kBlock;
    float inverse[kBlock];
    exp_of_all({y, ldy, x, ldx, N}, rows, inverse);
    for (std::int64_t r = 0; r < rows; ++r) {
      float* row = y + r * ldy;
      const __m512 factor = _mm512_set1_ps(inverse[r]);
      for_each_16(N, [=](std::int64_t j, __mmask16 mask) {
        _mm512_mask_storeu_ps(row + j, mask, _mm512_maskz_loadu_ps(mask, row + j) * factor);
      });
    }
  }
}

}  // namespace linnet::kernels::avx512
