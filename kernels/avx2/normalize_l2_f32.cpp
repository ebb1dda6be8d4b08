#include "kernels/avx2/avx2.h"
#include "kernels/avx2/vec.h"

namespace linnet::kernels::avx2 {

void normalize_l2_f32(float* y, const float* x, std::int64_t M, std::int64_t D,
                      float eps) noexcept {
  for (std::int64_t m = 0; m < M; ++m, x += D, y += D) {
    Partials squares;
    for_each_8(D, [&](std::int64_t d, auto half, auto lanes) {
      const __m256 v = load(x + d, lanes);
      __m256& p = squares.p[half.value];
      p = Vec::fma(v, v, p);
    });
    const __m128 root = _mm_sqrt_ss(_mm_set_ss(squares.sum()));
    const __m256 norm = _mm256_set1_ps(_mm_cvtss_f32(_mm_max_ss(_mm_set_ss(eps), root)));
    for_each_8(D, [=](std::int64_t d, auto, auto lanes) {
      store(y + d, load(x + d, lanes) / norm, lanes);
    });
  }
}

}  // namespace linnet::kernels::avx2
