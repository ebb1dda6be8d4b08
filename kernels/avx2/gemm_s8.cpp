#include "kernels/avx2/gemm_s8.h"

#include "kernels/avx2/avx2.h"

// Without VNNI: |x| · (w with the sign of x) as unsigned by signed bytes. A pair of products is at
// most 2·127² = 32258, so the 16-bit sums of vpmaddubsw never saturate.
namespace linnet::kernels::avx2 {
namespace {

struct SignDot {
  static constexpr int kRows = 4;
  static constexpr int kShift = 0;
  struct Row {
    __m256i x, magnitude;
  };
  static Row row(const std::uint8_t* p) {
    std::int32_t four;
    __builtin_memcpy(&four, p, 4);
    const __m256i x = _mm256_set1_epi32(four);
    return {x, _mm256_abs_epi8(x)};
  }
  static __m256i add(__m256i acc, const Row& r, __m256i w) {
    const __m256i pairs = _mm256_maddubs_epi16(r.magnitude, _mm256_sign_epi8(w, r.x));
    return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
};

}  // namespace

void gemm_s8(const GemmS8Args& a) noexcept { gemm_s8_of<SignDot>(a); }

}  // namespace linnet::kernels::avx2
