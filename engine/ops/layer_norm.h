#pragma once

#include "engine/core/context.h"
#include "engine/core/mat.h"

namespace linnet {

/// gamma and beta of one LayerNorm, [D] each.
struct LayerNorm {
  const float* gamma = nullptr;
  const float* beta = nullptr;
  float eps = 0;
};

/// x [T, D] = (x - mean) / sqrt(var + eps) · gamma + beta, row by row, in place.
void layer_norm(const Context& ctx, Mat<float> x, const LayerNorm& w);

}  // namespace linnet
