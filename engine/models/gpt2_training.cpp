// Dimension key for every comment in this file:
//   T tokens of all sequences, packed   E model width   I feed-forward width
#include "engine/models/gpt2_training.h"

#include <algorithm>

#include "engine/models/training_parts.h"
#include "engine/ops/activation_bwd.h"
#include "engine/ops/add.h"
#include "engine/ops/attention_bwd.h"
#include "engine/ops/embedding.h"
#include "engine/ops/embedding_bwd.h"
#include "weights/base/error.h"

namespace linnet {
namespace {

// One block on the tokens of a batch: the first T rows of everything.
struct BlockPass {
  const Gpt2Config& c;
  std::int64_t layer;  // from 0
  const Gpt2BlockParameters& w;
  const Gpt2Activations& s;
  Gpt2BlockActivations a;  // rows of this batch
  Mat<float> x;            // [T, E] what comes in
  const Batch& batch;
  const TrainingPass& pass;

  CausalAttention form() const { return {c.n_head, c.attention_scale(layer)}; }
  DropoutSite hidden(Site which) const { return {pass.probabilities.hidden, layer + 1, which}; }
  AttentionDropout attention() const {
    return {{pass.probabilities.attention, layer + 1, kProbabilities}, pass.dropout};
  }
  Mat<float> into(const Context& ctx, Mat<float> d, Site branch) const {
    return into_branch(ctx, d, s.dropped, batch, hidden(branch), pass.dropout);
  }
  Mat<float> rows(Mat<float> m) const { return m.slice_rows(0, batch.T()); }
};

// y = x + dropout(input · W + b)
void add_branch(const Context& ctx, const BlockPass& p, Mat<float> y, Mat<const float> x,
                Mat<const float> input, const Dense& w, Site which) {
  const DropoutSite site = p.hidden(which);
  if (site.probability == 0) return conv1d(ctx, y, input, w, p.s.packed.data, {.residual = x});
  conv1d(ctx, y, input, w, p.s.packed.data);
  dropout(ctx, y, p.batch, site, p.pass.dropout);
  add(ctx, y, x);
}

// Pre-norm block: x1 = x + attn(ln_1(x)), x2 = x1 + mlp(ln_2(x1)).
void block_fwd(const Context& ctx, const BlockPass& p) {
  const Gpt2BlockActivations& a = p.a;
  const auto eps = static_cast<float>(p.c.layer_norm_epsilon);
  const Mat<float> normed = p.rows(p.s.normed), activated = p.rows(p.s.activated);
  float *packed = p.s.packed.data, *scratch = p.s.attention.data;

  layer_norm_fwd(ctx, normed, a.rows_1, p.x, p.w.ln_1, eps);  // normed [T, E]
  conv1d(ctx, a.qkv, normed, p.w.attn_c_attn, packed);        // qkv [T, 3E]
  if (p.pass.probabilities.attention == 0) {
    causal_attention(ctx, p.form(), a.attended, a.qkv, {}, p.batch, scratch);  // attended [T, E]
  } else {
    causal_attention_dropout(ctx, p.form(), a.attended, a.qkv, p.batch, p.attention(), scratch);
  }
  add_branch(ctx, p, a.x1, p.x, a.attended, p.w.attn_c_proj, kAttentionBranch);  // x1 [T, E]

  layer_norm_fwd(ctx, normed, a.rows_2, a.x1, p.w.ln_2, eps);  // normed [T, E]
  conv1d(ctx, a.ff, normed, p.w.mlp_c_fc, packed);             // ff [T, I]
  activate(ctx, activated, a.ff, p.c.activation_function);     // activated [T, I]
  add_branch(ctx, p, a.x2, a.x1, activated, p.w.mlp_c_proj, kFeedForwardBranch);  // x2 [T, E]
}

// block_fwd upside down: d [T, E] is dx2 at first, dx at last.
void block_bwd(const Context& ctx, const BlockPass& p, const Gpt2BlockParameters& dw,
               Mat<float> d) {
  const Gpt2BlockActivations& a = p.a;
  const auto eps = static_cast<float>(p.c.layer_norm_epsilon);
  const Mat<float> normed = p.rows(p.s.normed), dnormed = p.rows(p.s.dnormed);
  const Mat<float> activated = p.rows(p.s.activated), dff = p.rows(p.s.dff);
  const Mat<float> dqkv = p.rows(p.s.dqkv), dattended = p.rows(p.s.dattended);
  float *packed = p.s.packed.data, *scratch = p.s.attention.data;

  activate(ctx, activated, a.ff, p.c.activation_function);  // again, not stored
  Mat<float> branch = p.into(ctx, d, kFeedForwardBranch);
  conv1d_bwd(ctx, {.dx = dff, .x = activated, .dy = branch}, p.w.mlp_c_proj, dw.mlp_c_proj, packed);
  activate_bwd(ctx, dff, dff, a.ff, p.c.activation_function);  // dff [T, I]
  layer_norm_fwd(ctx, normed, a.rows_2, a.x1, p.w.ln_2, eps);  // again, not stored
  conv1d_bwd(ctx, {.dx = dnormed, .x = normed, .dy = dff}, p.w.mlp_c_fc, dw.mlp_c_fc, packed);
  layer_norm_bwd(ctx, dnormed, dnormed, a.x1, a.rows_2, p.w.ln_2, dw.ln_2);
  add(ctx, d, dnormed);  // dx1 [T, E]

  branch = p.into(ctx, d, kAttentionBranch);
  conv1d_bwd(ctx, {.dx = dattended, .x = a.attended, .dy = branch}, p.w.attn_c_proj, dw.attn_c_proj,
             packed);  // dattended [T, E]
  causal_attention_bwd(ctx, p.form(), dqkv, a.qkv, dattended, p.batch, p.attention(),
                       scratch);                              // dqkv [T, 3E]
  layer_norm_fwd(ctx, normed, a.rows_1, p.x, p.w.ln_1, eps);  // again, not stored
  conv1d_bwd(ctx, {.dx = dnormed, .x = normed, .dy = dqkv}, p.w.attn_c_attn, dw.attn_c_attn,
             packed);
  layer_norm_bwd(ctx, dnormed, dnormed, p.x, a.rows_1, p.w.ln_1, dw.ln_1);
  add(ctx, d, dnormed);  // dx [T, E]
}

Gpt2BlockActivations first_rows(const Gpt2BlockActivations& a, std::int64_t T) {
  Gpt2BlockActivations r = a;
  for (Mat<float>* m : {&r.qkv, &r.attended, &r.x1, &r.ff, &r.x2}) *m = m->slice_rows(0, T);
  return r;
}

// The tables of the model or of their gradients.
EmbeddingTables tables_of(const Gpt2Parameters& w) {
  EmbeddingTables tables;
  tables.word = w.wte, tables.position = w.wpe;
  return tables;
}

// Rows of a head's logits.
std::int64_t head_rows(const TrainableGpt2& model, std::int64_t T) {
  return model.head == HeadKind::kCausalLm ? std::min(T, kVocabularyRows) : T;
}

std::int64_t packed_floats(const TrainableGpt2& model, const TrainingSize& size,
                           const kernels::KernelTable& kernels, int threads) {
  const std::int64_t T = size.tokens, E = model.config.n_embd, I = model.config.n_inner;
  const auto scratch = [&](std::int64_t rows, std::int64_t N, std::int64_t K) {
    return product_floats(kernels, threads, size.precision, rows, N, K);
  };
  return std::max({scratch(head_rows(model, T), gpt2_classes(model.config, model.head), E),
                   scratch(T, 3 * E, E), scratch(T, E, E), scratch(T, I, E), scratch(T, E, I)});
}

}  // namespace

Gpt2Activations::Gpt2Activations(Layout& l, const TrainableGpt2& model, const TrainingSize& size,
                                 const kernels::KernelTable& kernels, int threads) {
  const Gpt2Config& c = model.config;
  const std::int64_t T = size.tokens, E = c.n_embd, I = c.n_inner;
  x0 = l.mat(T, E);
  h.resize(static_cast<std::size_t>(c.n_layer));
  for (Gpt2BlockActivations& a : h) a.x2 = l.mat(T, E);
  const std::int64_t begin = l.mark();
  for (Gpt2BlockActivations& a : h) {
    if (size.recompute == Recompute::kYes) l.rewind(begin);
    a.rows_1 = norm_rows(l, T);
    a.qkv = l.mat(T, 3 * E);
    a.attended = l.mat(T, E);
    a.x1 = l.mat(T, E);
    a.rows_2 = norm_rows(l, T);
    a.ff = l.mat(T, I);
  }
  rows_f = norm_rows(l, T);
  for (Mat<float>* m : {&hidden, &dx, &dropped, &normed, &dnormed}) *m = l.mat(T, E);
  attention = l.mat(
      1, std::max(
             causal_attention_scratch_floats(kernels, threads, size.longest, c.head_width()),
             causal_attention_bwd_scratch_floats(kernels, threads, size.longest, c.head_width())));
  packed = l.mat(1, packed_floats(model, size, kernels, threads));
  const std::int64_t shared = l.mark();
  activated = l.mat(T, I);
  dff = l.mat(T, I);
  l.rewind(shared);
  dqkv = l.mat(T, 3 * E);
  dattended = l.mat(T, E);
  l.rewind(shared);
  const std::int64_t R = head_rows(model, T);
  chosen = l.mat(R, E);
  d_chosen = l.mat(R, E);
  logits = l.mat(R, gpt2_classes(c, model.head));
  row_losses = l.mat<double>(1, R);
}

Gpt2Training::Gpt2Training(const TrainableGpt2& model, const kernels::KernelTable& kernels,
                           int threads, const TrainingSize& size)
    : ModelTraining(model, kernels, threads, size),
      model_(model),
      activations_(model, size, kernels, threads),
      gradients_(model.config, model.head, model.tied) {
  if (size.teacher == WithTeacher::kYes) {
    throw Error(ErrorCode::kUnsupported, "training: a teacher of a gpt2 is not supported");
  }
  if (model.head == HeadKind::kCausalLm && model.tied == TiedHead::kYes) tie(gradients_->wte);
}

void Gpt2Training::forward(const Batch& batch, const TrainingPass& pass) {
  const Context ctx = context();
  const Gpt2Config& c = model_.config;
  const Gpt2Parameters& w = *model_.parameters;
  Gpt2Activations& s = *activations_;
  const std::int64_t T = batch.T();
  Mat<float> x = s.x0.slice_rows(0, T);
  embed(ctx, x, tables_of(w), batch);  // x [T, E]
  dropout(ctx, x, batch, {pass.probabilities.embeddings, 0, kEmbeddings}, pass.dropout);
  for (std::int64_t i = 0; i < c.n_layer; ++i) {
    const auto l = static_cast<std::size_t>(i);
    const BlockPass p{c, i, w.h[l], s, first_rows(s.h[l], T), x, batch, pass};
    block_fwd(ctx, p);  // x [T, E]
    x = p.a.x2;
  }
  layer_norm_fwd(ctx, s.hidden.slice_rows(0, T), s.rows_f, x, w.ln_f,
                 static_cast<float>(c.layer_norm_epsilon));
}

void Gpt2Training::backward(const Batch& batch, const TrainingPass& pass) {
  const Context ctx = context();
  const Gpt2Config& c = model_.config;
  const Gpt2Parameters &w = *model_.parameters, &g = *gradients_;
  Gpt2Activations& s = *activations_;
  const std::int64_t T = batch.T();
  const Mat<float> d = s.dx.slice_rows(0, T);
  layer_norm_bwd(ctx, d, d, s.h.back().x2.slice_rows(0, T), s.rows_f, w.ln_f, g.ln_f);
  for (std::int64_t i = c.n_layer - 1; i >= std::max<std::int64_t>(lowest_ - 1, 0); --i) {
    const auto l = static_cast<std::size_t>(i);
    const Mat<float> x = (i == 0 ? s.x0 : s.h[l - 1].x2).slice_rows(0, T);
    const BlockPass p{c, i, w.h[l], s, first_rows(s.h[l], T), x, batch, pass};
    // The last block's activations are those that are there.
    if (recompute_ == Recompute::kYes && i + 1 < c.n_layer) block_fwd(ctx, p);
    block_bwd(ctx, p, g.h[l], d);  // d [T, E]
  }
  if (lowest_ > 0) return;
  dropout(ctx, d, batch, {pass.probabilities.embeddings, 0, kEmbeddings}, pass.dropout);
  embed_bwd(ctx, g.wte, batch.tokens, d);
  embed_bwd(ctx, g.wpe, batch.positions, d);
}

}  // namespace linnet
