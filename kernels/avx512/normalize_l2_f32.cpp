#include "kernels/avx512/avx512.h"
#include "kernels/avx512/vec.h"

namespace linnet::kernels::avx512 {

void normalize_l2_f32(float* y, const float* x, std::int64_t M, std::int64_t D,
                      float eps) noexcept {
  for (std::int64_t m = 0; m < M; ++m, x += D, y += D) {
    __m512 squares = _mm512_setzero_ps();
    for_each_16(D, [&](std::int64_t d, __mmask16 mask) {
      const __m512 v = _mm512_maskz_loadu_ps(mask, x + d);
      squares = Vec::fma(v, v, squares);
    });
    const __m128 root = _mm_sqrt_ss(_mm_set_ss(sum_of(squares)));
    const __m512 norm = _mm512_set1_ps(_mm_cvtss_f32(_mm_max_ss(_mm_set_ss(eps), root)));
    for_each_16(D, [=](std::int64_t d, __mmask16 mask) {
      _mm512_mask_storeu_ps(y + d, mask, _mm512_maskz_loadu_ps(mask, x + d) / norm);
    });
  }
}

}  // namespace linnet::kernels::avx512
