#pragma once

#include <vector>

#include "engine/core/batch.h"
#include "engine/core/context.h"
#include "engine/core/function_ref.h"
#include "engine/core/layout.h"
#include "engine/ops/attention.h"
#include "engine/ops/embedding.h"
#include "engine/ops/layer_norm.h"
#include "engine/ops/linear.h"

// The post-norm transformer encoder that BERT and DistilBERT share.
// Sources: "Attention Is All You Need", arXiv:1706.03762; BERT, arXiv:1810.04805.
//
//   T tokens of all sequences, packed   D model width   A = heads · head width   F feed-forward
//   width
namespace linnet {

/// Sizes of an encoder, whatever its checkpoint calls them.
struct EncoderConfig {
  std::int64_t vocab_size = 0;   // rows of the word embeddings
  std::int64_t positions = 0;    // rows of the position embeddings: the longest sequence
  std::int64_t token_types = 0;  // rows of the type embeddings; 0: the model has none
  std::int64_t D = 0, F = 0;
  std::int64_t head_width = 0;
  std::vector<std::int64_t> heads;  // of each layer; fewer where heads were pruned
  kernels::Activation activation = kernels::Activation::kGelu;
  float layer_norm_eps = 0;
  AttentionKind attention = AttentionKind::kFloat32;  // of every layer

  std::int64_t layers() const { return static_cast<std::int64_t>(heads.size()); }
};

struct EncoderLayer {
  Linear qkv;               // [3A, D], rows q | k | v
  Linear attention_output;  // [D, A]
  LayerNorm attention_norm;
  Linear intermediate;  // [F, D]
  Linear output;        // [D, F]
  LayerNorm output_norm;
};

struct EncoderWeights {
  EmbeddingTables embeddings;
  LayerNorm embedding_norm;
  std::vector<EncoderLayer> layers;
};

/// The activations of one pass over up to `tokens` tokens in sequences up to `longest`.
struct EncoderScratch {
  Mat<float> x;          // [T, D] the residual stream
  Scratch in;            // x as the products of q | k | v read it
  Mat<float> qkv;        // [T, 3A]
  Mat<float> attended;   // [T, A]
  Mat<float> ff;         // [T, F], in the bytes of qkv and attended: they never live together
  Mat<float> attention;  // [threads, floats] scratch of the attention kernels
  Mat<float> head;       // [1, floats] free for heads once the layers have run: the bytes of ff
  Scratch linear;        // of layers of this kind, or of each thread's block of rows

  // INT8 only. Each thread may take blocks of rows, or groups of whole sequences.
  std::int64_t block_bytes = 0;      // of `linear` for one thread; 0: neither blocks nor groups
  Mat<float> group;                  // [threads, rows of a group · 4A] qkv and attended
  Mat<std::int64_t> group_sequence;  // [1, T+1] where groups begin
  Mat<std::int64_t> group_starts;    // [1, 2T+1] Batch::starts of each group, end to end

  EncoderScratch(Layout& layout, const EncoderConfig& c, const kernels::KernelTable& kernels,
                 LinearKind kind, int threads, std::int64_t tokens, std::int64_t longest,
                 std::int64_t head_floats);
};

/// Called with the hidden states [T, D] after the embeddings (index 0) and after each layer.
using HiddenStates = FunctionRef<void(std::int64_t index, Mat<const float> x)>;

/// Runs the embeddings and all layers; the last hidden states are the returned rows of s.x.
/// The batch has been checked; it has at most the tokens that the scratch was made for.
Mat<float> encode(const Context& ctx, const EncoderConfig& c, const EncoderWeights& w,
                  EncoderScratch& s, const Batch& batch, HiddenStates hidden_states = {});

}  // namespace linnet
