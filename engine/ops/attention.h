#pragma once

#include "engine/core/batch.h"
#include "engine/core/context.h"
#include "engine/core/mat.h"

namespace linnet {

/// What scores and values are computed in: FP32, or INT8 from the rows of q, k and v.
enum class AttentionKind {
  kFloat32,  ///< KernelTable::attention_f32
  kInt8,     ///< KernelTable::attention_s8, for sequences up to kernels::kMaxKS8
};

/// What all heads of a layer have in common.
struct Attention {
  std::int64_t heads = 0, head_width = 0;
  AttentionKind kind = AttentionKind::kFloat32;
};

/// Floats of scratch that attention() needs on `threads` threads for sequences up to `longest`, for
/// any number of heads.
std::int64_t attention_scratch_floats(const kernels::KernelTable& kernels, const Attention& of,
                                      int threads, std::int64_t longest);

/// Self-attention of every sequence of the batch: y [T, A] from qkv [T, 3A], columns q | k | v,
/// A = heads · head_width. Sequences never see each other. scratch: attention_scratch_floats().
void attention(const Context& ctx, Mat<float> y, Mat<const float> qkv, const Attention& of,
               const Batch& batch, float* scratch);

}  // namespace linnet
