// Dimension key: T tokens of all sequences, packed; E model width; I feed-forward width.
#include "engine/models/gpt2.h"

#include <algorithm>

#include "engine/ops/causal_attention.h"

namespace linnet {
namespace {

// Numbers from which a thread that moves them brings more than it costs.
constexpr std::int64_t kGrain = 8192;

// Keys and values go to the cache, and attention reads them there with all that stand before.
void attend(const Context& ctx, const Gpt2Config& c, std::int64_t layer, Gpt2Scratch& s,
            Mat<float> y, Mat<const float> qkv, const Batch& batch, const CachePlaces& places) {
  const CausalAttention form{c.n_head, c.attention_scale(layer)};
  s.sequences.clear();
  if (places.cache != nullptr) {
    const std::int64_t numbers = batch.T() * 2 * (y.cols / c.n_head);  // of a head
    parallel_for(ctx.threads, c.n_head, kGrain / numbers + 1,
                 [&](std::int64_t begin, std::int64_t end, int) {
                   for (std::size_t b = 0; b < places.sequences.size(); ++b) {
                     const auto rows = qkv.slice_rows(batch.starts[b], batch.starts[b + 1]);
                     places.cache->append(places.sequences[b], layer, rows, begin, end);
                   }
                 });
    for (const std::int64_t place : places.sequences) {
      s.sequences.push_back(places.cache->view(place, layer));
    }
  }
  causal_attention(ctx, form, y, qkv, s.sequences, batch, s.attention.data);
}

// Moves the chosen rows of x [T, E], which ascend, to its beginning.
Mat<float> keep_rows(Mat<float> x, std::span<const std::int64_t> rows) {
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const auto to = static_cast<std::int64_t>(r);
    if (rows[r] != to) std::copy_n(x.row(rows[r]), x.cols, x.row(to));
  }
  return x.slice_rows(0, static_cast<std::int64_t>(rows.size()));
}

// Pre-norm block: x += attn(ln_1(x)), then x += mlp(ln_2(x)). The last one goes on behind attention
// with the chosen rows alone, if there are any: of the others only keys and values matter.
void block(const Context& ctx, const Gpt2Config& c, std::int64_t layer, const Gpt2Block& w,
           Gpt2Scratch& s, const Batch& batch, const CachePlaces& places, LayerInputs inputs,
           const std::vector<std::int64_t>* chosen) {
  const std::int64_t T = batch.T();
  Mat<float> x = s.x.slice_rows(0, T), h = s.h.slice_rows(0, T);
  const Mat<float> qkv = s.qkv.slice_rows(0, T);
  const auto show = [&](std::int64_t unit, Mat<const float> read) {
    if (inputs) inputs(layer, unit, read);
  };

  layer_norm(ctx, h, x, w.ln_1);  // h    [T, E]
  show(0, h);
  linear(ctx, qkv, h, w.attn_c_attn);               // qkv  [T, 3E]
  attend(ctx, c, layer, s, h, qkv, batch, places);  // h    [T, E]
  if (chosen != nullptr) {
    x = keep_rows(x, *chosen);
    h = keep_rows(h, *chosen);
  }
  const Mat<float> ff = s.ff.slice_rows(0, x.rows);
  show(1, h);
  linear(ctx, x, h, w.attn_c_proj, {.residual = x});  // x    [T, E]

  layer_norm(ctx, h, x, w.ln_2);  // h    [T, E]
  show(2, h);
  linear(ctx, ff, h, w.mlp_c_fc, {.activation = c.activation_function});  // ff   [T, I]
  show(3, ff);
  linear(ctx, x, ff, w.mlp_c_proj, {.residual = x});  // x    [T, E]
}

}  // namespace

Gpt2Scratch::Gpt2Scratch(Layout& layout, const Gpt2Config& c, const kernels::KernelTable& kernels,
                         LinearKind kind, int threads, std::int64_t tokens, std::int64_t longest) {
  const std::int64_t E = c.n_embd;
  x = layout.mat(tokens, E);
  h = layout.mat(tokens, E);
  attention =
      layout.mat(1, causal_attention_scratch_floats(kernels, threads, longest, c.head_width()));
  linear.bytes = linear_scratch_bytes(kind, threads, tokens, std::max(E, c.n_inner));
  if (kind == LinearKind::kInt8) {
    linear.bytes = std::max(linear.bytes, packed_words_scratch_bytes(threads, E));
  }
  linear.data = layout.mat<std::byte>(1, linear.bytes).data;
  const std::int64_t shared = layout.mark();
  qkv = layout.mat(tokens, 3 * E);
  layout.rewind(shared);
  ff = layout.mat(tokens, c.n_inner);
  layout.rewind(shared);
  chosen = layout.mat(tokens, E);
  sequences.reserve(static_cast<std::size_t>(tokens));  // none has fewer tokens than one
}

Mat<float> decode(const Context& ctx, const Gpt2Config& c, const Gpt2Weights& w, Gpt2Scratch& s,
                  const Batch& batch, const CachePlaces& places, const Gpt2Observers& observers,
                  const std::vector<std::int64_t>* rows) {
  const HiddenStates hidden_states = observers.hidden_states;
  const Mat<float> x = s.x.slice_rows(0, batch.T());
  embed(ctx, x, w.embeddings, batch);  // x [T, E]
  for (std::int64_t i = 0; i < c.n_layer; ++i) {
    if (hidden_states) hidden_states(i, x);
    block(ctx, c, i, w.h[static_cast<std::size_t>(i)], s, batch, places, observers.layer_inputs,
          i == c.n_layer - 1 ? rows : nullptr);  // x [T, E]
  }
  if (places.cache != nullptr) {
    for (std::int64_t b = 0; b < batch.B(); ++b) {
      places.cache->advance(places.sequences[static_cast<std::size_t>(b)], batch.length(b));
    }
  }
  const std::int64_t R = rows != nullptr ? static_cast<std::int64_t>(rows->size()) : batch.T();
  const Mat<float> h = s.h.slice_rows(0, R);
  layer_norm(ctx, h, x.slice_rows(0, R), w.ln_f);  // h [R, E]
  if (hidden_states) hidden_states(c.n_layer, h);
  return h;
}

}  // namespace linnet
