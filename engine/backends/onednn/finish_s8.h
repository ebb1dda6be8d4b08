#pragma once

#include <cstdint>

namespace linnet::onednn {

/// What becomes of the exact sums acc [M, N], without gaps, of an INT8 product: the bits of
/// kernels::GemmS8.
///   y[m,n] = fma(float(acc[m,n]) · x_scale[m], w_scale[n], bias[n]), activation, residual[m,n] + y
struct FinishS8 {
  float* y;  // [M, N]
  std::int64_t ldy;
  const float *x_scale, *w_scale, *bias;  // [M], [N], [N]
  const float* residual;                  // [M, N] or null; may be y with the same ld
  std::int64_t ld_residual;
  std::int32_t activation;  // 0: none, and `activate` is not called
  void (*activate)(const void* kernels, float* y, std::int64_t n, std::int32_t activation);
  const void* kernels;
  float* row;  // [N], of its own
};

void finish_s8(const FinishS8& f, const std::int32_t* acc, std::int64_t M, std::int64_t N);

}  // namespace linnet::onednn
