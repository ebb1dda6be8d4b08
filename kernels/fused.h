#pragma once

#include "kernels/ops.h"

// Operations made of two of the same level, a few rows at a time, so that the second finds in the
// first-level cache what the first has left. In an anonymous namespace, as formulas.h.
namespace linnet::kernels {
namespace {

template <LayerNormF32Fn layer_norm, QuantizeRowsS8Fn quantize_rows>
inline void layer_norm_s8_of(const LayerNormS8Args& a) noexcept {
  constexpr std::int64_t kRows = 4;
  for (std::int64_t m = 0; m < a.M; m += kRows) {
    const std::int64_t rows = a.M - m < kRows ? a.M - m : kRows;
    float* y = a.y + m * a.D;
    layer_norm(y, nullptr, nullptr, a.x + m * a.D, a.gamma, a.beta, rows, a.D, a.eps);
    QuantizeRowsS8Args quantize;
    quantize.q = a.q + m * a.ldq, quantize.ldq = a.ldq;
    quantize.scale = a.scale + m;
    quantize.x = y, quantize.ldx = a.D;
    quantize.M = rows, quantize.K = a.D;
    quantize.shift = a.shift;
    quantize.transform = a.transform, quantize.scratch = a.scratch;
    quantize_rows(quantize);
  }
}

}  // namespace
}  // namespace linnet::kernels
