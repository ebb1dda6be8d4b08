#pragma once

#include "engine/core/context.h"
#include "engine/core/mat.h"

namespace linnet {

/// y = activation(x), element by element; rows without gaps.
void activate(const Context& ctx, Mat<float> y, Mat<const float> x, kernels::Activation activation);

/// dx = dy · activation'(x). dx may be dy.
void activate_bwd(const Context& ctx, Mat<float> dx, Mat<const float> dy, Mat<const float> x,
                  kernels::Activation activation);

}  // namespace linnet
