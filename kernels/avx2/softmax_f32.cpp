#include "kernels/avx2/avx2.h"
#include "kernels/avx2/softmax.h"

namespace linnet::kernels::avx2 {

void softmax_f32(float* y, std::int64_t ldy, const float* x, std::int64_t ldx, std::int64_t M,
                 std::int64_t N) noexcept {
  for (std::int64_t m = 0; m < M; ++m, x += ldx, y += ldy) {
    const __m256 inverse = _mm256_set1_ps(exp_of_row(y, x, N));
    for_each_8(N, [=](std::int64_t j, auto, auto lanes) {
      store(y + j, load(y + j, lanes) * inverse, lanes);
    });
  }
}

}  // namespace linnet::kernels::avx2
