#pragma once

#include "engine/core/batch.h"
#include "engine/core/context.h"
#include "engine/core/mat.h"

namespace linnet {

/// Floats of scratch that attention() needs on `threads` threads for sequences up to `longest`.
std::int64_t attention_scratch_floats(const kernels::KernelTable& kernels, int threads,
                                      std::int64_t longest, std::int64_t head_width);

/// Self-attention of every sequence of the batch: y [T, A] from qkv [T, 3A], columns q | k | v,
/// A = heads · head_width. Sequences never see each other. scratch: attention_scratch_floats().
void attention(const Context& ctx, Mat<float> y, Mat<const float> qkv, std::int64_t heads,
               const Batch& batch, float* scratch);

}  // namespace linnet
