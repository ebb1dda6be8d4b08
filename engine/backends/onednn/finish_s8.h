#pragma once

#include <cstdint>

namespace linnet::onednn {

/// y[m,n] = fma(float(acc[m,n]) · x_scale[m], w_scale[n], bias[n]): the bits of kernels::GemmS8.
/// acc is [M, N] without gaps.
void finish_s8(float* y, std::int64_t ldy, const std::int32_t* acc, const float* x_scale,
               const float* w_scale, const float* bias, std::int64_t M, std::int64_t N) noexcept;

}  // namespace linnet::onednn
