#pragma once

#include "engine/core/context.h"
#include "engine/core/mat.h"

namespace linnet {

/// y = x + y, element by element.
void add(const Context& ctx, Mat<float> y, Mat<const float> x);

}  // namespace linnet
