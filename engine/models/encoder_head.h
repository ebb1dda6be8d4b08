#pragma once

#include "engine/models/encoder.h"

// What stands on top of the encoder. B sequences, C labels, V vocabulary, D model width.
namespace linnet {

/// The layers of a head; a layer without data is not part of it.
struct EncoderHead {
  Linear pooler;  // [D, D] on the first token: BERT's pooler, DistilBERT's pre_classifier
  kernels::Activation pooler_activation = kernels::Activation::kTanh;
  Linear sequence_classifier;  // [C, D] on the pooled first token
  Linear token_classifier;     // [C, D] on every token; C = 2, start and end, for spans
  Linear transform;            // [D, D] of the vocabulary head, with the encoder's activation
  LayerNorm transform_norm;
  Linear decoder;  // [V, D]
};

/// Where results go; a matrix without data is not computed.
struct EncoderOutputs {
  Mat<float> last_hidden_state{};                   // [T, D]
  Mat<float> pooler_output{};                       // [B, D] after its activation
  Mat<float> sequence_logits{};                     // [B, C]
  Mat<float> token_logits{};                        // [T, C]
  Mat<float> vocabulary_logits{};                   // [R, V], one row for each of `vocabulary_rows`
  std::span<const std::int64_t> vocabulary_rows{};  // ascending token indices of the batch
};

/// Floats of EncoderScratch::head that run_head needs for `tokens` tokens.
std::int64_t head_scratch_floats(const EncoderConfig& c, std::int64_t tokens);

/// Fills the outputs from the last hidden states x [T, D] of the batch. The rows of `out` are those
/// of this batch; vocabulary_rows count from its first token.
void run_head(const Context& ctx, const EncoderConfig& c, const EncoderHead& w, Mat<float> scratch,
              Mat<const float> x, const Batch& batch, const EncoderOutputs& out);

}  // namespace linnet
