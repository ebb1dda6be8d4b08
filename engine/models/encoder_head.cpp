// Dimension key: T tokens, B sequences, D model width, C labels, V vocabulary, R chosen tokens.
#include "engine/models/encoder_head.h"

#include <algorithm>

namespace linnet {
namespace {

// pooled [B, D] = activation(first tokens · Wᵀ + b)
void pool_first_token(const Context& ctx, const EncoderHead& w, Mat<float> first, Mat<float> pooled,
                      Mat<const float> x, const Batch& batch) {
  for (std::int64_t b = 0; b < batch.B(); ++b) {
    std::copy_n(x.row(batch.starts[static_cast<std::size_t>(b)]), x.cols, first.row(b));
  }
  linear(ctx, pooled, first, w.pooler, {.activation = w.pooler_activation});
}

// logits [R, V] = LN(activation(h · Wᵀ + b)) · decoderᵀ + bias, for the chosen tokens only.
void vocabulary_head(const Context& ctx, const EncoderConfig& c, const EncoderHead& w,
                     Mat<float> chosen, Mat<float> transformed, Mat<const float> x,
                     const EncoderOutputs& out) {
  for (std::int64_t r = 0; r < chosen.rows; ++r) {
    std::copy_n(x.row(out.vocabulary_rows[static_cast<std::size_t>(r)]), x.cols, chosen.row(r));
  }
  linear(ctx, transformed, chosen, w.transform, {.activation = c.activation});
  layer_norm(ctx, transformed, w.transform_norm);
  linear(ctx, out.vocabulary_logits, transformed, w.decoder);
}

}  // namespace

std::int64_t head_scratch_floats(const EncoderConfig& c, std::int64_t tokens) {
  return 2 * tokens * c.D;
}

void run_head(const Context& ctx, const EncoderConfig& c, const EncoderHead& w, Mat<float> scratch,
              Mat<const float> x, const Batch& batch, const EncoderOutputs& out) {
  const std::int64_t D = c.D;
  const auto two_of = [&](std::int64_t rows) {
    return std::pair{Mat<float>{scratch.data, rows, D, D},
                     Mat<float>{scratch.data + rows * D, rows, D, D}};
  };

  if (out.last_hidden_state.data != nullptr) {
    for (std::int64_t t = 0; t < x.rows; ++t)
      std::copy_n(x.row(t), D, out.last_hidden_state.row(t));
  }
  if (out.pooler_output.data != nullptr || out.sequence_logits.data != nullptr) {
    auto [first, pooled] = two_of(batch.B());
    if (out.pooler_output.data != nullptr) pooled = out.pooler_output;
    pool_first_token(ctx, w, first, pooled, x, batch);  // [B, D]
    if (out.sequence_logits.data != nullptr) {
      linear(ctx, out.sequence_logits, pooled, w.sequence_classifier);  // [B, C]
    }
  }
  if (out.token_logits.data != nullptr) {
    linear(ctx, out.token_logits, x, w.token_classifier);  // [T, C]
  }
  if (out.vocabulary_logits.data != nullptr) {
    const auto [chosen, transformed] = two_of(out.vocabulary_logits.rows);
    vocabulary_head(ctx, c, w, chosen, transformed, x, out);  // [R, V]
  }
}

}  // namespace linnet
