#pragma once

#include "engine/ops/dense.h"

// The products of dense layers in training with BF16 operands, summed in FP32: outside the promise
// of the same bytes at every level. Weights, gradients and sums stay FP32; what is rounded lies in
// scratch memory as long as one product takes.
//
//   T tokens   N outputs   K inputs
namespace linnet {

/// A matrix [N, K] in memory: element (n, k) at n·n + k·k floats from its first.
struct Strides {
  std::int64_t n, k;
};

/// y [T, N] = x [T, K] · wᵀ of a weight w [N, K] with these strides + bias, then the epilogue.
void dense_bf16(const Context& ctx, Mat<float> y, Mat<const float> x, const Dense& w,
                Strides strides, const LinearEpilogue& epilogue, float* scratch);

/// dx = residual + dy·w of the weight w [N, K] with these strides, as dense_bwd() has it.
void dense_dx_bf16(const Context& ctx, const DenseBwd& args, const float* w, Strides strides,
                   float* scratch);

/// c [M, N] += aᵀ·b of a [T, M] and b [T, N].
void add_transposed_product_bf16(const Context& ctx, Mat<float> c, Mat<const float> a,
                                 Mat<const float> b, float* scratch);

}  // namespace linnet
