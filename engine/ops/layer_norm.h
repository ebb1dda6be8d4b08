#pragma once

#include "engine/core/context.h"
#include "engine/core/mat.h"
#include "engine/ops/linear.h"

namespace linnet {

/// gamma and beta of one LayerNorm, [D] each.
struct LayerNorm {
  const float* gamma = nullptr;
  const float* beta = nullptr;
  float eps = 0;
};

/// x [T, D] = (x - mean) / sqrt(var + eps) · gamma + beta, row by row, in place.
void layer_norm(const Context& ctx, Mat<float> x, const LayerNorm& w);

/// The same of x into y, which may be x.
void layer_norm(const Context& ctx, Mat<float> y, Mat<const float> x, const LayerNorm& w);

/// The same in place, then prepare(ctx, x, consumer), in one pass over x.
Operand layer_norm(const Context& ctx, Mat<float> x, const LayerNorm& w, const Linear& consumer);

/// The same into an operand of x that lies elsewhere.
void layer_norm(const Context& ctx, Mat<float> x, const LayerNorm& w, const Linear& consumer,
                const Operand& to);

}  // namespace linnet
