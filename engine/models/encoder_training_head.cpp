// Heads with their losses, forward and back. Dimension key:
//   T tokens   B sequences   R labelled tokens   D model width   C classes   V vocabulary
#include <algorithm>
#include <string>

#include "engine/models/encoder_training.h"
#include "engine/models/training_parts.h"
#include "engine/ops/activation_bwd.h"
#include "weights/base/error.h"

namespace linnet {
namespace {

bool has_vocabulary(HeadKind head) {
  return head == HeadKind::kMaskedLm || head == HeadKind::kPreTraining;
}
bool is_of_sequences(HeadKind head) {
  return head != HeadKind::kMaskedLm && head != HeadKind::kTokenClassification &&
         head != HeadKind::kQuestionAnswering;
}
bool has_next_sentence(HeadKind head) {
  return head == HeadKind::kNextSentence || head == HeadKind::kPreTraining;
}

}  // namespace

std::int64_t head_classes(const EncoderDescription& model) {
  switch (model.head) {
    case HeadKind::kSequenceClassification:
    case HeadKind::kTokenClassification:
      return static_cast<std::int64_t>(model.common.labels.size());
    case HeadKind::kMultipleChoice:
      return 1;
    case HeadKind::kQuestionAnswering:
    case HeadKind::kNextSentence:
      return 2;
    case HeadKind::kMaskedLm:
    case HeadKind::kPreTraining:
      return model.config.vocab_size;
    case HeadKind::kBase:
    case HeadKind::kCausalLm:
      break;
  }
  throw Error(ErrorCode::kUnsupported, std::string("training: a model with the head \"") +
                                           name(model.head) + "\" has no loss");
}

std::int64_t head_rows(const EncoderDescription& model, const TrainingSize& size) {
  const std::int64_t labelled =
      has_vocabulary(model.head) ? std::min(size.tokens, kVocabularyRows) : 0;
  return std::max(size.sequences, labelled);
}

BatchLimits TrainableEncoder::limits() const {
  const EncoderConfig& c = config();
  return {c.vocab_size, c.positions, c.token_types};
}

LabelCounts TrainableEncoder::check_targets(const Batch& batch,
                                            const TrainingTargets& targets) const {
  return linnet::check_targets(description.head, head_classes(description), batch, targets);
}

DropoutProbabilities TrainableEncoder::dropout(json::Value config) const {
  const HeadKind head = description.head;
  const bool sequence =
      head == HeadKind::kSequenceClassification || head == HeadKind::kMultipleChoice;
  const auto number = [&](const char* key, double otherwise) {
    return read_probability(config, key, otherwise);
  };
  if (description.common.model_type == "bert") {
    const float hidden = number("hidden_dropout_prob", 0.1);
    const bool classifier = sequence || head == HeadKind::kTokenClassification;
    return {hidden, number("attention_probs_dropout_prob", 0.1),
            classifier ? number("classifier_dropout", hidden) : 0};
  }
  const float hidden = number("dropout", 0.1);
  const float classifier = sequence ? number("seq_classif_dropout", 0.2)
                           : head == HeadKind::kQuestionAnswering   ? number("qa_dropout", 0.1)
                           : head == HeadKind::kTokenClassification ? hidden
                                                                    : 0;
  return {hidden, number("attention_dropout", 0.1), classifier};
}

std::int64_t TrainableEncoder::training_bytes(const kernels::KernelTable& kernels, int threads,
                                              const TrainingSize& size) const {
  const std::int64_t tied_decoder =
      tied == TiedDecoder::kYes ? config().vocab_size * config().D * 4 : 0;
  return Placed<EncoderActivations>::count(description, size, kernels, threads) + bytes() +
         tied_decoder;
}

std::unique_ptr<ModelTraining> TrainableEncoder::training(const kernels::KernelTable& kernels,
                                                          int threads,
                                                          const TrainingSize& size) const {
  return std::make_unique<EncoderTraining>(*this, kernels, threads, size);
}

double EncoderTraining::head(const Batch& batch, const TrainingPass& pass, Want want) {
  const std::int64_t T = batch.T();
  const Mat<float> d = activations_->dx.slice_rows(0, T);
  std::fill_n(d.data, d.rows * d.cols, 0.0f);
  const HeadKind kind = encoder_.description.head;
  double loss = 0;
  if (kind == HeadKind::kTokenClassification || kind == HeadKind::kQuestionAnswering) {
    loss += token_head(batch, pass, want);
  }
  if (has_vocabulary(kind)) loss += vocabulary_head(batch, pass, want);
  if (is_of_sequences(kind)) loss += sequence_head(batch, pass, want);
  return loss + cosine_loss(context(), d, activations_->dropped, last_hidden(T), pass);
}

// pooled = activation(first tokens · Wᵀ + b), logits = dropout(pooled) · Wᵀ + b.
double EncoderTraining::sequence_head(const Batch& batch, const TrainingPass& pass, Want want) {
  const Context ctx = context();
  const EncoderParameters &w = *encoder_.parameters, &g = *gradients_;
  EncoderActivations& s = *activations_;
  const EncoderDescription& model = encoder_.description;
  const std::int64_t B = batch.B(), D = model.config.D;
  const bool next = has_next_sentence(model.head), choice = model.head == HeadKind::kMultipleChoice;
  const Dense &classifier = next ? w.seq_relationship : w.classifier,
              &dclassifier = next ? g.seq_relationship : g.classifier;
  const auto activation =
      model.common.model_type == "bert" ? kernels::Activation::kTanh : kernels::Activation::kRelu;
  const DropoutSite site{next ? 0 : pass.probabilities.classifier, model.config.layers() + 1,
                         kClassifierSite};
  const Mat<float> chosen = first(s.chosen, B, D), inner = first(s.inner, B, D),
                   pooled = first(s.active, B, D), d_inner = first(s.d_inner, B, D),
                   logits = first(s.logits, B, classifier.weight.rows);
  const auto starts = batch.starts.subspan(0, static_cast<std::size_t>(B));

  gather(chosen, last_hidden(batch.T()), starts);         // chosen [B, D]
  dense(ctx, inner, chosen, w.pooler, s.packed.data);     // inner  [B, D]
  activate(ctx, pooled, inner, activation);               // pooled [B, D]
  dropout_rows(ctx, pooled, site, pass.dropout);          // pooled [B, D]
  dense(ctx, logits, pooled, classifier, s.packed.data);  // logits [B, C]

  if (pass.logits) pass.logits(logits);

  double loss = 0;
  if (next) {
    loss = cross_entropy(ctx, logits, logits, pass.targets.next_sentence,
                         {pass.smoothing, pass.divisors.next_sentence}, s.row_losses);
  } else {
    const auto rows = static_cast<std::int64_t>(pass.targets.labels.size());
    const Mat<float> scores = choice ? first(s.logits, rows, B / rows) : logits;
    loss = distilled_loss(
        ctx, logits,
        {pass.teacher, 0, pass.divisors.sequences, first(s.soft, B, logits.cols), s.row_losses},
        [&] { return sequence_loss(ctx, scores, model.common, pass, s.row_losses); });
  }
  if (want == Want::kLoss) return loss;

  dense_bwd(ctx, {.dx = d_inner, .x = pooled, .dy = logits}, classifier, dclassifier,
            s.packed.data);  // d_inner [B, D]
  dropout_rows(ctx, d_inner, site, pass.dropout);
  activate_bwd(ctx, d_inner, d_inner, inner, activation);
  dense_bwd(ctx, {.dx = inner, .x = chosen, .dy = d_inner}, w.pooler, g.pooler, s.packed.data);
  scatter(s.dx.slice_rows(0, batch.T()), inner, starts);  // dx [T, D]
  return loss;
}

// logits [T, C] = dropout(x) · Wᵀ + b
double EncoderTraining::token_head(const Batch& batch, const TrainingPass& pass, Want want) {
  const Context ctx = context();
  const EncoderParameters &w = *encoder_.parameters, &g = *gradients_;
  EncoderActivations& s = *activations_;
  const EncoderDescription& model = encoder_.description;
  const std::int64_t T = batch.T();
  const Mat<float> logits = s.logits.slice_rows(0, T), d = s.dx.slice_rows(0, T);
  const DropoutSite site{pass.probabilities.classifier, model.config.layers() + 1, kClassifierSite};
  const Mat<float> x = into_branch(ctx, last_hidden(T), s.dropped, batch, site, pass.dropout);
  dense(ctx, logits, x, w.classifier, s.packed.data);  // logits [T, C]
  if (pass.logits) pass.logits(logits);
  const double loss = distilled_loss(
      ctx, logits,
      {pass.teacher, 0, pass.divisors.tokens, first(s.soft, T, logits.cols), s.row_losses},
      [&] { return token_loss(ctx, logits, model.head, batch, pass, s.row_losses); });
  if (want == Want::kLoss) return loss;
  dense_bwd(ctx, {.dx = d, .x = x, .dy = logits}, w.classifier, g.classifier, s.packed.data);
  dropout(ctx, d, batch, site, pass.dropout);  // dx [T, D]
  return loss;
}

// A teacher speaks of all tokens, labels of some.
double EncoderTraining::vocabulary_head(const Batch& batch, const TrainingPass& pass, Want want) {
  rows_.clear();
  labels_.clear();
  const bool taught = pass.teacher.logits.data != nullptr;
  for (std::int64_t t = 0; t < batch.T(); ++t) {
    const std::int64_t label = pass.targets.labels[static_cast<std::size_t>(t)];
    if (label == kIgnoreLabel && !taught) continue;
    rows_.push_back(t);
    labels_.push_back(label);
  }
  return sum_over_parts(rows_.size(), activations_->chosen.rows,
                        [&](std::size_t from, std::size_t count) {
                          return vocabulary_rows(from, count, pass, want);
                        });
}

// logits [R, V] = LN(activation(x · Wᵀ + b)) · decoderᵀ + bias, for labelled tokens only.
double EncoderTraining::vocabulary_rows(std::size_t from, std::size_t count,
                                        const TrainingPass& pass, Want want) {
  const Context ctx = context();
  const EncoderParameters &w = *encoder_.parameters, &g = *gradients_;
  EncoderActivations& s = *activations_;
  const EncoderConfig& c = encoder_.config();
  const auto R = static_cast<std::int64_t>(count);
  const Mat<float> chosen = first(s.chosen, R, c.D), inner = first(s.inner, R, c.D),
                   active = first(s.active, R, c.D), normed = first(s.normed, R, c.D),
                   d_inner = first(s.d_inner, R, c.D), logits = first(s.logits, R, c.vocab_size);
  const auto rows = std::span<const std::int64_t>(rows_).subspan(from, count);
  const auto labels = std::span<const std::int64_t>(labels_).subspan(from, count);
  float* packed = s.packed.data;

  gather(chosen, last_hidden(s.dx.rows), rows);    // [R, D]
  dense(ctx, inner, chosen, w.transform, packed);  // [R, D]
  activate(ctx, active, inner, c.activation);      // [R, D]
  layer_norm_fwd(ctx, normed, s.chosen_rows, active, w.transform_norm, c.layer_norm_eps);
  dense(ctx, logits, normed, w.decoder, packed);  // [R, V]
  const auto loss_of_labels = [&] {
    return cross_entropy(ctx, logits, logits, labels, {pass.smoothing, pass.divisors.labels},
                         s.row_losses);
  };
  const double loss =
      distilled_loss(ctx, logits,
                     {pass.teacher, static_cast<std::int64_t>(from), pass.divisors.tokens,
                      first(s.soft, R, logits.cols), s.row_losses},
                     loss_of_labels);
  if (want == Want::kLoss) return loss;

  Dense ddecoder = g.decoder;
  ddecoder.weight = head_gradient(g.decoder.weight);
  dense_bwd(ctx, {.dx = d_inner, .x = normed, .dy = logits}, w.decoder, ddecoder, packed);
  layer_norm_bwd(ctx, d_inner, d_inner, active, s.chosen_rows, w.transform_norm, g.transform_norm);
  activate_bwd(ctx, d_inner, d_inner, inner, c.activation);
  dense_bwd(ctx, {.dx = normed, .x = chosen, .dy = d_inner}, w.transform, g.transform, packed);
  scatter(s.dx, normed, rows);  // dx [T, D]
  return loss;
}

}  // namespace linnet
