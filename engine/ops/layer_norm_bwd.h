#pragma once

#include "engine/core/context.h"
#include "engine/core/mat.h"

namespace linnet {

/// gamma and beta [1, D] of one LayerNorm in training, or their gradients.
struct Norm {
  Mat<float> gamma, beta;
};

/// mean and rstd [1, T] of the rows that went through a LayerNorm.
struct NormRows {
  Mat<float> mean, rstd;
};

/// y [T, D] = LayerNorm of x [T, D], row by row; keeps mean and rstd for the way back. y may be x.
void layer_norm_fwd(const Context& ctx, Mat<float> y, const NormRows& rows, Mat<const float> x,
                    const Norm& w, float eps);

/// The gradients of y = LayerNorm(x): dx, and chains over tokens that continue in dw. dx may be dy.
void layer_norm_bwd(const Context& ctx, Mat<float> dx, Mat<const float> dy, Mat<const float> x,
                    const NormRows& rows, const Norm& w, const Norm& dw);

}  // namespace linnet
