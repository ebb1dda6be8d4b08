#pragma once

#include <span>
#include <vector>

#include "engine/core/batch.h"
#include "engine/core/context.h"
#include "engine/core/function_ref.h"
#include "engine/core/layout.h"
#include "engine/models/gpt2_config.h"
#include "engine/models/kv_cache.h"
#include "engine/ops/embedding.h"
#include "engine/ops/layer_norm.h"
#include "engine/ops/linear.h"

// The pre-norm decoder of GPT-2.
// Source: Language Models are Unsupervised Multitask Learners, OpenAI 2019; code openai/gpt-2.
//
//   T tokens of all sequences, packed   E model width   I feed-forward width   V vocabulary
namespace linnet {

struct Gpt2Block {
  LayerNorm ln_1;
  Linear attn_c_attn;  // [3E, E], rows q | k | v
  Linear attn_c_proj;  // [E, E]
  LayerNorm ln_2;
  Linear mlp_c_fc;    // [I, E]
  Linear mlp_c_proj;  // [E, I]
};

/// The decoder and what stands on it; a layer without data is not part of it.
struct Gpt2Weights {
  EmbeddingTables embeddings;  // wte and wpe
  std::vector<Gpt2Block> h;
  LayerNorm ln_f;
  Linear lm_head;              // [V, E], no bias
  Linear sequence_classifier;  // [C, E]: score, no bias
  Linear token_classifier;     // [C, E] on every token; C = 2, start and end, for spans
};

/// The activations of one pass over up to `tokens` tokens in sequences up to `longest`.
struct Gpt2Scratch {
  Mat<float> x;                      // [T, E] the residual stream
  Mat<float> h;                      // [T, E] its norm, then what attention gives
  Mat<float> qkv;                    // [T, 3E]
  Mat<float> ff;                     // [T, I], in the bytes of qkv: they never live together
  Mat<float> chosen;                 // [T, E] rows that a head looks at, in the same bytes
  Mat<float> attention;              // [1, floats] scratch of the attention kernels
  Scratch linear;                    // of layers of this kind
  std::vector<KeyValues> sequences;  // [B] what attention reads in the layer at hand

  Gpt2Scratch(Layout& layout, const Gpt2Config& c, const kernels::KernelTable& kernels,
              LinearKind kind, int threads, std::int64_t tokens, std::int64_t longest);
};

/// The places of a cache that the sequences of a batch continue; no cache: they begin here and
/// nothing is kept.
struct CachePlaces {
  KvCache* cache = nullptr;
  std::span<const std::int64_t> sequences{};  // [B] places, each at most once
};

/// Called with the hidden states [T, E] after the embeddings (index 0), after each block but the
/// last one, and after ln_f.
using HiddenStates = FunctionRef<void(std::int64_t index, Mat<const float> x)>;

/// Called before each linear layer of a block with what it reads, unit being the layer's place in
/// Gpt2Block: 0 attn_c_attn, 1 attn_c_proj, 2 mlp_c_fc, 3 mlp_c_proj.
using LayerInputs = FunctionRef<void(std::int64_t layer, std::int64_t unit, Mat<const float> x)>;

struct Gpt2Observers {
  HiddenStates hidden_states = {};
  LayerInputs layer_inputs = {};
};

/// Runs the embeddings, all blocks and ln_f; the hidden states are the returned rows of s.h: those
/// of `rows`, ascending tokens of the batch, or of all without it. Keys and values of the batch's
/// tokens are appended to the cache, which must have room for them. The batch has been checked; it
/// has at most the tokens that the scratch was made for.
Mat<float> decode(const Context& ctx, const Gpt2Config& c, const Gpt2Weights& w, Gpt2Scratch& s,
                  const Batch& batch, const CachePlaces& places,
                  const Gpt2Observers& observers = {},
                  const std::vector<std::int64_t>* rows = nullptr);

}  // namespace linnet
