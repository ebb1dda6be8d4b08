#pragma once

#include "engine/core/context.h"
#include "engine/core/mat.h"

namespace linnet {

/// A dense layer: weight [N, K], packed for the level it was loaded at, and bias [N] or null.
struct Linear {
  const float* packed = nullptr;
  const float* bias = nullptr;
  std::int64_t N = 0, K = 0;
};

/// What follows the product, in this order: bias, activation, residual + y.
struct LinearEpilogue {
  kernels::Activation activation = kernels::Activation::kNone;
  Mat<const float> residual{};  // [T, N], may be y itself; no data: none
};

/// y [T, N] = x [T, K] · weightᵀ + bias, then the epilogue.
void linear(const Context& ctx, Mat<float> y, Mat<const float> x, const Linear& w,
            const LinearEpilogue& epilogue = {});

}  // namespace linnet
