#include "kernels/doubles.h"

#include <immintrin.h>

#include "kernels/avx512/avx512.h"

namespace linnet::kernels::avx512 {
namespace {

struct Doubles {
  using V = __m512d;
  static constexpr int kWidth = 8;
  static V splat(double c) { return _mm512_set1_pd(c); }
  static V fma(V a, V b, V c) { return _mm512_fmadd_pd(a, b, c); }
  static V negated_fma(V a, V b, V c) { return _mm512_fnmadd_pd(a, b, c); }
  static V select_less(V a, V b, V yes, V no) {
    return _mm512_mask_blend_pd(_mm512_cmp_pd_mask(a, b, _CMP_LT_OQ), no, yes);
  }
  static V scale(V p, V n) { return _mm512_scalef_pd(p, n); }
  static V load(const double* p) { return _mm512_loadu_pd(p); }
  static V widen(const float* p) { return _mm512_cvtps_pd(_mm256_loadu_ps(p)); }
  static void store(double* p, V x) { _mm512_storeu_pd(p, x); }
};

}  // namespace

void exp_f64(double* x, std::int64_t n) noexcept { exp_doubles<Doubles>(x, n); }

void sums_of_squares_f32(double* sums, const float* x, std::int64_t M, std::int64_t D) noexcept {
  sums_of_squares<Doubles>(sums, x, M, D);
}

}  // namespace linnet::kernels::avx512
