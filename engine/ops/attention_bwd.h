#pragma once

#include "engine/core/batch.h"
#include "engine/core/context.h"
#include "engine/core/mat.h"
#include "engine/ops/causal_attention.h"
#include "engine/ops/dropout.h"

namespace linnet {

/// What attention in training drops: probabilities, element ((head · L) + query) · L + key of a
/// sequence of L tokens.
struct AttentionDropout {
  DropoutSite site;
  DropoutStep step;
};

/// Floats of scratch that attention_dropout() and attention_bwd() need on `threads` threads for
/// sequences up to `longest`.
std::int64_t attention_bwd_scratch_floats(const kernels::KernelTable& kernels, int threads,
                                          std::int64_t longest, std::int64_t head_width);

/// attention() with dropout of the probabilities: y [T, A] from qkv [T, 3A].
void attention_dropout(const Context& ctx, Mat<float> y, Mat<const float> qkv, std::int64_t heads,
                       const Batch& batch, const AttentionDropout& dropout, float* scratch);

/// The gradient of attention: dqkv [T, 3A] from dy [T, A], the probabilities computed again from
/// qkv. For each head of each sequence, with P = softmax(Q·Kᵀ/√d) and Z = P after dropout:
///   dV = Zᵀ·dY    dZ = dY·Vᵀ    dS = P∘(dP - Σ(P∘dP))/√d    dQ = dS·K    dK = dSᵀ·Q
void attention_bwd(const Context& ctx, Mat<float> dqkv, Mat<const float> qkv, Mat<const float> dy,
                   std::int64_t heads, const Batch& batch, const AttentionDropout& dropout,
                   float* scratch);

/// The same for causal_attention() of whole sequences, nothing past: query i sees the keys 0 to i.
/// Probabilities are taken for up to 64 queries at a time; P is 0 where a key is not seen.
std::int64_t causal_attention_bwd_scratch_floats(const kernels::KernelTable& kernels, int threads,
                                                 std::int64_t longest, std::int64_t head_width);
void causal_attention_dropout(const Context& ctx, const CausalAttention& form, Mat<float> y,
                              Mat<const float> qkv, const Batch& batch,
                              const AttentionDropout& dropout, float* scratch);
void causal_attention_bwd(const Context& ctx, const CausalAttention& form, Mat<float> dqkv,
                          Mat<const float> qkv, Mat<const float> dy, const Batch& batch,
                          const AttentionDropout& dropout, float* scratch);

}  // namespace linnet
