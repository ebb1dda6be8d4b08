// Dimension key for every comment in this file:
//   T tokens of all sequences, packed   D model width   A heads · head width   F feed-forward width
#include "engine/models/encoder.h"

#include <algorithm>

#include "engine/ops/attention.h"

namespace linnet {
namespace {

// Post-norm block: x = LN(x + attention(x)), then x = LN(x + feed_forward(x)).
void block(const Context& ctx, const EncoderConfig& c, std::int64_t heads, const EncoderLayer& w,
           const EncoderScratch& s, const Batch& batch) {
  const Mat<float> x = s.x.slice_rows(0, batch.T());
  const Mat<float> qkv{s.qkv.data, x.rows, w.qkv.N, w.qkv.N};
  const Mat<float> attended{s.attended.data, x.rows, w.attention_output.K, w.attention_output.K};
  const Mat<float> ff = s.ff.slice_rows(0, x.rows);

  linear(ctx, qkv, x, w.qkv);                                     // qkv      [T, 3A]
  attention(ctx, attended, qkv, heads, batch, s.attention.data);  // attended [T, A]
  linear(ctx, x, attended, w.attention_output, {.residual = x});  // x        [T, D]
  layer_norm(ctx, x, w.attention_norm);                           // x        [T, D]

  linear(ctx, ff, x, w.intermediate, {.activation = c.activation});  // ff       [T, F]
  linear(ctx, x, ff, w.output, {.residual = x});                     // x        [T, D]
  layer_norm(ctx, x, w.output_norm);                                 // x        [T, D]
}

}  // namespace

EncoderScratch::EncoderScratch(Layout& layout, const EncoderConfig& c,
                               const kernels::KernelTable& kernels, LinearKind kind, int threads,
                               std::int64_t tokens, std::int64_t longest,
                               std::int64_t head_floats) {
  const std::int64_t A = c.head_width * *std::max_element(c.heads.begin(), c.heads.end());
  x = layout.mat(tokens, c.D);
  attention = layout.mat(1, attention_scratch_floats(kernels, threads, longest, c.head_width));
  const std::int64_t widest = std::max({c.D, A, c.F});
  linear.bytes = linear_scratch_bytes(kind, threads, tokens, widest);
  linear.data = layout.mat<std::byte>(1, linear.bytes).data;
  const std::int64_t shared = layout.mark();
  qkv = layout.mat(tokens, 3 * A);
  attended = layout.mat(tokens, A);
  layout.rewind(shared);
  ff = layout.mat(tokens, c.F);
  layout.rewind(shared);
  head = layout.mat(1, head_floats);
}

Mat<float> encode(const Context& ctx, const EncoderConfig& c, const EncoderWeights& w,
                  EncoderScratch& s, const Batch& batch, HiddenStates hidden_states) {
  const Mat<float> x = s.x.slice_rows(0, batch.T());
  embed(ctx, x, w.embeddings, batch);    // x [T, D]
  layer_norm(ctx, x, w.embedding_norm);  // x [T, D]
  if (hidden_states) hidden_states(0, x);
  for (std::int64_t i = 0; i < c.layers(); ++i) {
    const auto l = static_cast<std::size_t>(i);
    block(ctx, c, c.heads[l], w.layers[l], s, batch);  // x [T, D]
    if (hidden_states) hidden_states(i + 1, x);
  }
  return x;
}

}  // namespace linnet
