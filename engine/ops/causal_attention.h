#pragma once

#include <cstddef>
#include <span>

#include "engine/core/batch.h"
#include "engine/core/context.h"
#include "engine/core/mat.h"

namespace linnet {

/// Keys and values of one sequence in one layer, head after head: float, or INT8 with a scale for
/// each position. The first `past` positions stand from earlier passes.
struct KeyValues {
  const std::byte* key = nullptr;    // of head 0, in panels: AttentionF32Args::k_in_panels
  const std::byte* value = nullptr;  // of head 0, [positions, head width]
  const float* key_scale = nullptr;  // of head 0, [positions] of INT8; float: null, both
  const float* value_scale = nullptr;
  std::int64_t next_head = 0;  // bytes from a head to the next one, of all four
  std::int64_t past = 0;
};

/// What attention has to know beside its matrices.
struct CausalAttention {
  std::int64_t heads = 0;
  float scale = 1;  // of the scores
};

/// Floats of scratch that causal_attention() needs on `threads` threads for sequences that reach
/// up to `longest` positions: with those of INT8 as floats.
std::int64_t causal_attention_scratch_floats(const kernels::KernelTable& kernels, int threads,
                                             std::int64_t longest, std::int64_t head_width);

/// Self-attention of every sequence of the batch: y [T, A] from the columns q of qkv [T, 3A] and
/// the keys and values of each sequence; `sequences` [B], or empty: those in qkv itself, none past.
/// A token sees the past and the tokens of its sequence up to itself.
void causal_attention(const Context& ctx, const CausalAttention& form, Mat<float> y,
                      Mat<const float> qkv, std::span<const KeyValues> sequences,
                      const Batch& batch, float* scratch);

}  // namespace linnet
