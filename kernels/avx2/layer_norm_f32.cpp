#include "kernels/avx2/avx2.h"
#include "kernels/avx2/vec.h"

// Rows are independent chains of additions: 4 at once hide the latency of one.
namespace linnet::kernels::avx2 {
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
  Partials sum[R], squares[R];
  __m256 mu[R], r[R];
  for_each_8(a.D, [&](std::int64_t d, auto half, auto lanes) {
#pragma GCC unroll 4
    for (int i = 0; i < R; ++i) {
      __m256& p = sum[i].p[half.value];
      p = p + load(a.x + i * a.D + d, lanes);
    }
  });
  float mean[R], rstd[R];
#pragma GCC unroll 4
  for (int i = 0; i < R; ++i) {
    mean[i] = sum[i].sum() / count;
    mu[i] = _mm256_set1_ps(mean[i]);
  }
  for_each_8(a.D, [&](std::int64_t d, auto half, auto lanes) {
#pragma GCC unroll 4
    for (int i = 0; i < R; ++i) {
      const __m256 centred = keep(load(a.x + i * a.D + d, lanes) - mu[i], lanes);
      __m256& p = squares[i].p[half.value];
      p = Vec::fma(centred, centred, p);
    }
  });
#pragma GCC unroll 4
  for (int i = 0; i < R; ++i) {
    const __m128 variance = _mm_set_ss(squares[i].sum() / count + a.eps);
    rstd[i] = 1.0f / _mm_cvtss_f32(_mm_sqrt_ss(variance));
    r[i] = _mm256_set1_ps(rstd[i]);
  }
  for_each_8(a.D, [&](std::int64_t d, auto, auto lanes) {
    const __m256 gamma = load(a.gamma + d, lanes), beta = load(a.beta + d, lanes);
#pragma GCC unroll 4
    for (int i = 0; i < R; ++i) {
      const __m256 x = load(a.x + i * a.D + d, lanes);
      store(a.y + i * a.D + d, Vec::fma((x - mu[i]) * r[i], gamma, beta), lanes);
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

}  // namespace linnet::kernels::avx2
