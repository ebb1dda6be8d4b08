#include "kernels/avx512/avx512.h"
#include "kernels/avx512/vec.h"

// Rows are independent chains of additions: 4 at once hide the latency of one.
namespace linnet::kernels::avx512 {
namespace {

struct Rows {
  float *y, *mean, *rstd;  // mean and rstd may be null
  const float *x, *gamma, *beta;
  std::int64_t D;
  float eps;
};

template <int R>
void normalize_rows(const Rows& a) {
  const auto count = static_cast<float>(a.D);
  __m512 sum[R] = {}, squares[R] = {}, mu[R], r[R];
  for_each_16(a.D, [&](std::int64_t d, __mmask16 mask) {
#pragma GCC unroll 4
    for (int i = 0; i < R; ++i) {
      sum[i] = sum[i] + _mm512_maskz_loadu_ps(mask, a.x + i * a.D + d);
    }
  });
  float mean[R], rstd[R];
#pragma GCC unroll 4
  for (int i = 0; i < R; ++i) {
    mean[i] = sum_of(sum[i]) / count;
    mu[i] = _mm512_set1_ps(mean[i]);
  }
  for_each_16(a.D, [&](std::int64_t d, __mmask16 mask) {
#pragma GCC unroll 4
    for (int i = 0; i < R; ++i) {
      const __m512 x = _mm512_maskz_loadu_ps(mask, a.x + i * a.D + d);
      const __m512 centred = _mm512_maskz_sub_ps(mask, x, mu[i]);
      squares[i] = Vec::fma(centred, centred, squares[i]);
    }
  });
#pragma GCC unroll 4
  for (int i = 0; i < R; ++i) {
    const __m128 variance = _mm_set_ss(sum_of(squares[i]) / count + a.eps);
    rstd[i] = 1.0f / _mm_cvtss_f32(_mm_sqrt_ss(variance));
    r[i] = _mm512_set1_ps(rstd[i]);
  }
  for_each_16(a.D, [&](std::int64_t d, __mmask16 mask) {
    const __m512 gamma = _mm512_maskz_loadu_ps(mask, a.gamma + d);
    const __m512 beta = _mm512_maskz_loadu_ps(mask, a.beta + d);
#pragma GCC unroll 4
    for (int i = 0; i < R; ++i) {
      const __m512 x = _mm512_maskz_loadu_ps(mask, a.x + i * a.D + d);
      _mm512_mask_storeu_ps(a.y + i * a.D + d, mask, Vec::fma((x - mu[i]) * r[i], gamma, beta));
    }
  });
  for (int i = 0; i < R; ++i) {
    if (a.mean != nullptr) a.mean[i] = mean[i];
    if (a.rstd != nullptr) a.rstd[i] = rstd[i];
  }
}

}  // namespace

void layer_norm_f32(float* y, float* mean, float* rstd, const float* x, const float* gamma,
                    const float* beta, std::int64_t M, std::int64_t D, float eps) noexcept {
  const auto from_row = [&](std::int64_t m) {
    return Rows{y + m * D,
                mean != nullptr ? mean + m : nullptr,
                rstd != nullptr ? rstd + m : nullptr,
                x + m * D,
                gamma,
                beta,
                D,
                eps};
  };
  std::int64_t m = 0;
  for (; m + 4 <= M; m += 4) normalize_rows<4>(from_row(m));
  for (; m < M; ++m) normalize_rows<1>(from_row(m));
}

}  // namespace linnet::kernels::avx512
