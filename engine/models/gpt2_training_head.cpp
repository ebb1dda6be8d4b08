// Heads with their losses, forward and back. Dimension key:
//   T tokens   B sequences   R labelled tokens   E model width   C classes   V vocabulary
#include <algorithm>

#include "engine/models/gpt2_session.h"
#include "engine/models/gpt2_training.h"
#include "engine/models/training_parts.h"

namespace linnet {

std::int64_t TrainableGpt2::training_bytes(const kernels::KernelTable& kernels, int threads,
                                           const TrainingSize& size) const {
  const bool tied_head = head == HeadKind::kCausalLm && tied == TiedHead::kYes;
  return Placed<Gpt2Activations>::count(*this, size, kernels, threads) + bytes() +
         (tied_head ? config.vocab_size * config.n_embd * 4 : 0);
}

std::unique_ptr<ModelTraining> TrainableGpt2::training(const kernels::KernelTable& kernels,
                                                       int threads,
                                                       const TrainingSize& size) const {
  return std::make_unique<Gpt2Training>(*this, kernels, threads, size);
}

double Gpt2Training::head(const Batch& batch, const TrainingPass& pass, Want want) {
  const Mat<float> d = activations_->dx.slice_rows(0, batch.T());
  std::fill_n(d.data, d.rows * d.cols, 0.0f);
  if (model_.head == HeadKind::kCausalLm) return language_model(batch, pass, want);
  if (model_.head == HeadKind::kSequenceClassification) return sequence_head(batch, pass, want);
  return token_head(batch, pass, want);
}

// logits [B, C] = x · Wᵀ of the token that decides
double Gpt2Training::sequence_head(const Batch& batch, const TrainingPass& pass, Want want) {
  const Context ctx = context();
  Gpt2Activations& s = *activations_;
  const Dense &w = model_.parameters->head, &g = gradients_->head;
  const std::int64_t B = batch.B(), T = batch.T();
  const Mat<float> chosen = s.chosen.slice_rows(0, B), d_chosen = s.d_chosen.slice_rows(0, B),
                   logits = s.logits.slice_rows(0, B);
  rows_.clear();
  for (std::int64_t b = 0; b < B; ++b) rows_.push_back(deciding_token(model_.config, batch, b));
  gather(chosen, s.hidden.slice_rows(0, T), rows_);  // chosen [B, E]
  dense(ctx, logits, chosen, w, s.packed.data);      // logits [B, C]
  if (pass.logits) pass.logits(logits);
  const double loss = sequence_loss(ctx, logits, model_.config.common, pass, s.row_losses);
  if (want == Want::kLoss) return loss;
  dense_bwd(ctx, {.dx = d_chosen, .x = chosen, .dy = logits}, w, g, s.packed.data);
  scatter(s.dx.slice_rows(0, T), d_chosen, rows_);  // dx [T, E]
  return loss;
}

// logits [T, C] = dropout(x) · Wᵀ + b
double Gpt2Training::token_head(const Batch& batch, const TrainingPass& pass, Want want) {
  const Context ctx = context();
  Gpt2Activations& s = *activations_;
  const Dense &w = model_.parameters->head, &g = gradients_->head;
  const std::int64_t T = batch.T();
  const Mat<float> logits = s.logits.slice_rows(0, T), d = s.dx.slice_rows(0, T);
  const DropoutSite site{pass.probabilities.classifier, model_.config.n_layer + 1, kClassifierSite};
  const Mat<float> x =
      into_branch(ctx, s.hidden.slice_rows(0, T), s.dropped, batch, site, pass.dropout);
  dense(ctx, logits, x, w, s.packed.data);  // logits [T, C]
  if (pass.logits) pass.logits(logits);
  const double loss = token_loss(ctx, logits, model_.head, batch, pass, s.row_losses);
  if (want == Want::kLoss) return loss;
  dense_bwd(ctx, {.dx = d, .x = x, .dy = logits}, w, g, s.packed.data);
  dropout(ctx, d, batch, site, pass.dropout);  // dx [T, E]
  return loss;
}

// Each token predicts the next one of its sequence.
double Gpt2Training::language_model(const Batch& batch, const TrainingPass& pass, Want want) {
  rows_.clear();
  labels_.clear();
  for (std::int64_t b = 0; b < batch.B(); ++b) {
    const std::int64_t begin = batch.starts[static_cast<std::size_t>(b)];
    for (std::int64_t t = begin + 1; t < begin + batch.length(b); ++t) {
      const std::int64_t label = pass.targets.labels[static_cast<std::size_t>(t)];
      if (label == kIgnoreLabel) continue;
      rows_.push_back(t - 1);
      labels_.push_back(label);
    }
  }
  return sum_over_parts(rows_.size(), activations_->chosen.rows,
                        [&](std::size_t from, std::size_t count) {
                          return vocabulary_rows(from, count, pass, want);
                        });
}

// logits [R, V] = x · lm_headᵀ, for the tokens that predict a label only.
double Gpt2Training::vocabulary_rows(std::size_t from, std::size_t count, const TrainingPass& pass,
                                     Want want) {
  const Context ctx = context();
  Gpt2Activations& s = *activations_;
  const auto R = static_cast<std::int64_t>(count);
  const Mat<float> chosen = s.chosen.slice_rows(0, R), d_chosen = s.d_chosen.slice_rows(0, R),
                   logits = s.logits.slice_rows(0, R);
  const auto rows = std::span<const std::int64_t>(rows_).subspan(from, count);
  const auto labels = std::span<const std::int64_t>(labels_).subspan(from, count);
  const Dense& w = model_.parameters->head;
  Dense g = gradients_->head;
  g.weight = head_gradient(g.weight);

  gather(chosen, s.hidden, rows);                // chosen [R, E]
  dense(ctx, logits, chosen, w, s.packed.data);  // logits [R, V]
  const double loss = cross_entropy(ctx, logits, logits, labels,
                                    {pass.smoothing, pass.divisors.labels}, s.row_losses);
  if (want == Want::kLoss) return loss;
  dense_bwd(ctx, {.dx = d_chosen, .x = chosen, .dy = logits}, w, g, s.packed.data);
  scatter(s.dx, d_chosen, rows);  // dx [T, E]
  return loss;
}

}  // namespace linnet
