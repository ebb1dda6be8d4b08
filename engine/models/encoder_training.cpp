// Dimension key for every comment in this file:
//   T tokens of all sequences, packed   D model width   A heads · head width   F feed-forward width
#include "engine/models/encoder_training.h"

#include <algorithm>

#include "engine/models/training_parts.h"
#include "engine/ops/activation_bwd.h"
#include "engine/ops/add.h"
#include "engine/ops/attention.h"
#include "engine/ops/attention_bwd.h"
#include "engine/ops/embedding.h"
#include "engine/ops/embedding_bwd.h"
#include "weights/base/error.h"

namespace linnet {
namespace {

// One layer on the tokens of a batch: the first T rows of everything.
struct LayerPass {
  const EncoderConfig& c;
  std::int64_t layer;  // from 0
  const EncoderLayerParameters& w;
  const EncoderActivations& s;
  EncoderLayerActivations a;  // rows of this batch
  Mat<float> x;               // [T, D] what comes in
  const Batch& batch;
  const TrainingPass& pass;
  bool drops_attention_branch;

  std::int64_t heads() const { return c.heads[static_cast<std::size_t>(layer)]; }
  DropoutSite site(float p, Site which) const { return {p, layer + 1, which}; }
  DropoutSite hidden(Site which) const { return site(pass.probabilities.hidden, which); }
  DropoutSite attention_branch() const {
    return site(drops_attention_branch ? pass.probabilities.hidden : 0, kAttentionBranch);
  }
  AttentionDropout attention() const {
    return {site(pass.probabilities.attention, kProbabilities), pass.dropout};
  }
  Mat<float> into(const Context& ctx, Mat<float> d, const DropoutSite& branch) const {
    return into_branch(ctx, d, s.dropped, batch, branch, pass.dropout);
  }
  Mat<float> rows(Mat<float> m) const { return m.slice_rows(0, batch.T()); }
  Mat<float> rows(Mat<float> m, std::int64_t cols) const { return {m.data, batch.T(), cols, cols}; }
};

// y = x + dropout(input · Wᵀ + b)
void add_branch(const Context& ctx, const LayerPass& p, Mat<float> y, Mat<const float> x,
                Mat<const float> input, const Dense& w, const DropoutSite& site) {
  if (site.probability == 0) return dense(ctx, y, input, w, p.s.packed.data, {.residual = x});
  dense(ctx, y, input, w, p.s.packed.data);
  dropout(ctx, y, p.batch, site, p.pass.dropout);
  add(ctx, y, x);
}

// Post-norm block: x1 = LN(x + attention(x)), x2 = LN(x1 + feed_forward(x1)).
void layer_fwd(const Context& ctx, const LayerPass& p) {
  const EncoderLayerActivations& a = p.a;
  const Mat<float> activated = p.rows(p.s.activated);
  float* packed = p.s.packed.data;

  dense(ctx, a.qkv, p.x, p.w.qkv, packed);  // qkv [T, 3A]
  if (p.pass.probabilities.attention == 0) {
    attention(ctx, a.attended, a.qkv, {p.heads(), p.c.head_width}, p.batch,
              p.s.attention.data);  // attended [T, A]
  } else {
    attention_dropout(ctx, a.attended, a.qkv, p.heads(), p.batch, p.attention(),
                      p.s.attention.data);
  }
  add_branch(ctx, p, a.h1, p.x, a.attended, p.w.attention_output, p.attention_branch());
  layer_norm_fwd(ctx, a.x1, a.rows1, a.h1, p.w.attention_norm, p.c.layer_norm_eps);  // x1 [T, D]

  dense(ctx, a.ff, a.x1, p.w.intermediate, packed);  // ff [T, F]
  activate(ctx, activated, a.ff, p.c.activation);    // activated [T, F]
  add_branch(ctx, p, a.h2, a.x1, activated, p.w.output, p.hidden(kFeedForwardBranch));
  layer_norm_fwd(ctx, a.x2, a.rows2, a.h2, p.w.output_norm, p.c.layer_norm_eps);  // x2 [T, D]
}

// layer_fwd upside down: d [T, D] is dx2 at first, dx at last.
void layer_bwd(const Context& ctx, const LayerPass& p, const EncoderLayerParameters& dw,
               Mat<float> d) {
  const EncoderLayerActivations& a = p.a;
  const Mat<float> activated = p.rows(p.s.activated), dff = p.rows(p.s.dff);
  const Mat<float> dqkv = p.rows(p.s.dqkv, a.qkv.cols);
  const Mat<float> dattended = p.rows(p.s.dattended, a.attended.cols);
  float* packed = p.s.packed.data;

  layer_norm_bwd(ctx, d, d, a.h2, a.rows2, p.w.output_norm, dw.output_norm);  // dh2 [T, D]
  activate(ctx, activated, a.ff, p.c.activation);                             // again, not stored
  Mat<float> branch = p.into(ctx, d, p.hidden(kFeedForwardBranch));
  dense_bwd(ctx, {.dx = dff, .x = activated, .dy = branch}, p.w.output, dw.output, packed);
  activate_bwd(ctx, dff, dff, a.ff, p.c.activation);  // dff [T, F]
  dense_bwd(ctx, {.dx = d, .residual = d, .x = a.x1, .dy = dff}, p.w.intermediate, dw.intermediate,
            packed);  // dx1 [T, D]

  layer_norm_bwd(ctx, d, d, a.h1, a.rows1, p.w.attention_norm, dw.attention_norm);  // dh1 [T, D]
  branch = p.into(ctx, d, p.attention_branch());
  dense_bwd(ctx, {.dx = dattended, .x = a.attended, .dy = branch}, p.w.attention_output,
            dw.attention_output, packed);  // dattended [T, A]
  attention_bwd(ctx, dqkv, a.qkv, dattended, p.heads(), p.batch, p.attention(),
                p.s.attention.data);  // dqkv [T, 3A]
  dense_bwd(ctx, {.dx = d, .residual = d, .x = p.x, .dy = dqkv}, p.w.qkv, dw.qkv,
            packed);  // dx [T, D]
}

EncoderLayerActivations first_rows(const EncoderLayerActivations& a, std::int64_t T,
                                   std::int64_t A) {
  EncoderLayerActivations r = a;
  r.qkv = {a.qkv.data, T, 3 * A, 3 * A};
  r.attended = {a.attended.data, T, A, A};
  for (Mat<float>* m : {&r.h1, &r.x1, &r.ff, &r.h2, &r.x2}) *m = m->slice_rows(0, T);
  return r;
}

// Scratch of all products; the head's logits have so many rows.
std::int64_t packed_floats(const EncoderDescription& model, const TrainingSize& size,
                           std::int64_t logit_rows, const kernels::KernelTable& kernels,
                           int threads) {
  const EncoderConfig& c = model.config;
  const std::int64_t T = size.tokens, D = c.D;
  const std::int64_t A = c.head_width * *std::max_element(c.heads.begin(), c.heads.end());
  const auto scratch = [&](std::int64_t rows, std::int64_t N, std::int64_t K) {
    return product_floats(kernels, threads, size.precision, rows, N, K);
  };
  return std::max({scratch(T, 3 * A, D), scratch(T, D, A), scratch(T, c.F, D), scratch(T, D, c.F),
                   scratch(T, D, D), scratch(logit_rows, head_classes(model), D)});
}

}  // namespace

EncoderActivations::EncoderActivations(Layout& l, const EncoderDescription& model,
                                       const TrainingSize& size,
                                       const kernels::KernelTable& kernels, int threads) {
  const EncoderConfig& c = model.config;
  const std::int64_t T = size.tokens, D = c.D;
  const std::int64_t A = c.head_width * *std::max_element(c.heads.begin(), c.heads.end());
  embedded = l.mat(T, D);
  embedding_rows = norm_rows(l, T);
  x0 = l.mat(T, D);
  const bool keep = size.recompute == Recompute::kNo;
  layers.resize(c.heads.size());
  for (EncoderLayerActivations& a : layers) a.x2 = l.mat(T, D);
  const std::int64_t begin = l.mark();
  std::int64_t end = begin;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const std::int64_t mine = c.heads[i] * c.head_width;
    EncoderLayerActivations& a = layers[i];
    if (!keep) l.rewind(begin);
    a.qkv = l.mat(T, 3 * mine);
    a.attended = l.mat(T, mine);
    a.h1 = l.mat(T, D);
    a.rows1 = norm_rows(l, T);
    a.x1 = l.mat(T, D);
    a.ff = l.mat(T, c.F);
    a.h2 = l.mat(T, D);
    a.rows2 = norm_rows(l, T);
    end = std::max(end, l.mark());
  }
  l.rewind(end);
  dx = l.mat(T, D);
  dropped = l.mat(T, D);
  attention = l.mat(
      1, std::max(attention_scratch_floats(kernels, {1, c.head_width}, threads, size.longest),
                  attention_bwd_scratch_floats(kernels, threads, size.longest, c.head_width)));
  const std::int64_t C = head_classes(model), R = head_rows(model, size);
  const bool tokens =
      model.head == HeadKind::kTokenClassification || model.head == HeadKind::kQuestionAnswering;
  packed = l.mat(1, packed_floats(model, size, tokens ? T : R, kernels, threads));
  const std::int64_t shared = l.mark();
  activated = l.mat(T, c.F);
  dff = l.mat(T, c.F);
  l.rewind(shared);
  dqkv = l.mat(T, 3 * A);
  dattended = l.mat(T, A);
  l.rewind(shared);
  for (Mat<float>* m : {&chosen, &inner, &active, &normed, &d_inner}) *m = l.mat(R, D);
  logits = l.mat(tokens ? T : R, C);
  if (size.teacher == WithTeacher::kYes) soft = l.mat(logits.rows, C);
  chosen_rows = norm_rows(l, R);
  row_losses = l.mat<double>(1, logits.rows);
}

EncoderTraining::EncoderTraining(const TrainableEncoder& encoder,
                                 const kernels::KernelTable& kernels, int threads,
                                 const TrainingSize& size)
    : ModelTraining(encoder, kernels, threads, size),
      encoder_(encoder),
      activations_(encoder.description, size, kernels, threads),
      gradients_(encoder.description, encoder.tied) {
  if (size.teacher == WithTeacher::kYes &&
      encoder.description.head == HeadKind::kQuestionAnswering) {
    throw Error(ErrorCode::kUnsupported, "training: a teacher of spans is not supported");
  }
  if (encoder.tied == TiedDecoder::kYes) tie(gradients_->word);
}

void EncoderTraining::forward(const Batch& batch, const TrainingPass& pass) {
  const Context ctx = context();
  const EncoderConfig& c = encoder_.config();
  const EncoderParameters& w = *encoder_.parameters;
  EncoderActivations& s = *activations_;
  const std::int64_t T = batch.T();
  const Mat<float> embedded = s.embedded.slice_rows(0, T), x0 = s.x0.slice_rows(0, T);
  EmbeddingTables tables;
  tables.word = w.word, tables.position = w.position;
  if (c.token_types > 0) tables.type = w.type;
  embed(ctx, embedded, tables, batch);  // [T, D]
  layer_norm_fwd(ctx, x0, s.embedding_rows, embedded, w.embedding_norm, c.layer_norm_eps);
  dropout(ctx, x0, batch, {pass.probabilities.hidden, 0, kEmbeddings}, pass.dropout);
  Mat<float> x = x0;
  for (std::int64_t i = 0; i < c.layers(); ++i) {
    const auto l = static_cast<std::size_t>(i);
    const LayerPass p{c,
                      i,
                      w.layers[l],
                      s,
                      first_rows(s.layers[l], T, c.heads[l] * c.head_width),
                      x,
                      batch,
                      pass,
                      encoder_.description.common.model_type == "bert"};
    layer_fwd(ctx, p);  // x [T, D]
    x = p.a.x2;
  }
}

void EncoderTraining::backward(const Batch& batch, const TrainingPass& pass) {
  const Context ctx = context();
  const EncoderConfig& c = encoder_.config();
  const EncoderParameters &w = *encoder_.parameters, &g = *gradients_;
  EncoderActivations& s = *activations_;
  const std::int64_t T = batch.T();
  const Mat<float> d = s.dx.slice_rows(0, T);
  for (std::int64_t i = c.layers() - 1; i >= std::max<std::int64_t>(lowest_ - 1, 0); --i) {
    const auto l = static_cast<std::size_t>(i);
    const Mat<float> x = (i == 0 ? s.x0 : s.layers[l - 1].x2).slice_rows(0, T);
    const LayerPass p{c,
                      i,
                      w.layers[l],
                      s,
                      first_rows(s.layers[l], T, c.heads[l] * c.head_width),
                      x,
                      batch,
                      pass,
                      encoder_.description.common.model_type == "bert"};
    // The last layer's activations are those that are there.
    if (recompute_ == Recompute::kYes && i + 1 < c.layers()) layer_fwd(ctx, p);
    layer_bwd(ctx, p, g.layers[l], d);  // d [T, D]
  }
  if (lowest_ > 0) return;
  dropout(ctx, d, batch, {pass.probabilities.hidden, 0, kEmbeddings}, pass.dropout);
  layer_norm_bwd(ctx, d, d, s.embedded.slice_rows(0, T), s.embedding_rows, w.embedding_norm,
                 g.embedding_norm);
  embed_bwd(ctx, g.word, batch.tokens, d, encoder_.description.common.pad_token_id);
  embed_bwd(ctx, g.position, batch.positions, d);
  if (c.token_types > 0) embed_bwd(ctx, g.type, batch.types, d);
}

Mat<float> EncoderTraining::last_hidden(std::int64_t T) const {
  const EncoderActivations& s = *activations_;
  return (s.layers.empty() ? s.x0 : s.layers.back().x2).slice_rows(0, T);
}

}  // namespace linnet
