#include "kernels/doubles.h"

#include <immintrin.h>

#include "kernels/avx2/avx2.h"

namespace linnet::kernels::avx2 {
namespace {

struct Doubles {
  using V = __m256d;
  static constexpr int kWidth = 4;
  static V splat(double c) { return _mm256_set1_pd(c); }
  static V fma(V a, V b, V c) { return _mm256_fmadd_pd(a, b, c); }
  static V negated_fma(V a, V b, V c) { return _mm256_fnmadd_pd(a, b, c); }
  static V select_less(V a, V b, V yes, V no) {
    return _mm256_blendv_pd(no, yes, _mm256_cmp_pd(a, b, _CMP_LT_OQ));
  }
  // In two steps: 2^n itself leaves the normal range at both ends.
  static V scale(V p, V n) {
    const __m128i whole = _mm256_cvtpd_epi32(n), half = _mm_srai_epi32(whole, 1);
    return p * power_of_two(half) * power_of_two(_mm_sub_epi32(whole, half));
  }
  static V load(const double* p) { return _mm256_loadu_pd(p); }
  static V widen(const float* p) { return _mm256_cvtps_pd(_mm_loadu_ps(p)); }
  static void store(double* p, V x) { _mm256_storeu_pd(p, x); }

 private:
  static V power_of_two(__m128i n) {
    const __m256i biased = _mm256_cvtepi32_epi64(_mm_add_epi32(n, _mm_set1_epi32(1023)));
    return _mm256_castsi256_pd(_mm256_slli_epi64(biased, 52));
  }
};

}  // namespace

void exp_f64(double* x, std::int64_t n) noexcept { exp_doubles<Doubles>(x, n); }

void sums_of_squares_f32(double* sums, const float* x, std::int64_t M, std::int64_t D) noexcept {
  sums_of_squares<Doubles>(sums, x, M, D);
}

}  // namespace linnet::kernels::avx2
