// Heads with their losses, forward and back. Dimension key:
//   T tokens   B sequences   R labelled tokens   D model width   C classes   V vocabulary
#include <algorithm>
#include <string>

#include "engine/models/encoder_training.h"
#include "engine/ops/activation_bwd.h"
#include "weights/base/error.h"

namespace linnet {
namespace {

// Logits of so many labelled tokens at a time: 512 x 30,522 floats are 62 MB.
constexpr std::int64_t kVocabularyRows = 512;
// The layer of dropout in heads is above all others.
constexpr std::uint32_t kClassifierSite = 0;

bool has_vocabulary(HeadKind head) {
  return head == HeadKind::kMaskedLm || head == HeadKind::kPreTraining;
}
bool has_next_sentence(HeadKind head) {
  return head == HeadKind::kNextSentence || head == HeadKind::kPreTraining;
}

[[noreturn]] void fail(const std::string& what) {
  throw Error(ErrorCode::kInvalidArgument, "labels: " + what);
}

void check_size(std::size_t found, std::int64_t expected) {
  if (static_cast<std::int64_t>(found) == expected) return;
  fail("found " + std::to_string(found) + ", expected " + std::to_string(expected));
}

// Labels in 0 .. classes-1; how many are not ignored.
double check_labels(std::span<const std::int64_t> labels, std::int64_t expected,
                    std::int64_t classes) {
  check_size(labels.size(), expected);
  double count = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] == kIgnoreLabel) continue;
    if (labels[i] < 0 || labels[i] >= classes) {
      fail("number " + std::to_string(i) + " is " + std::to_string(labels[i]) + ", expected 0 to " +
           std::to_string(classes - 1) + ", or -100");
    }
    ++count;
  }
  return count;
}

// Rows of tokens chosen[r] = x[rows[r]], and back: d[rows[r]] += chosen[r].
void gather(Mat<float> chosen, Mat<const float> x, std::span<const std::int64_t> rows) {
  for (std::int64_t r = 0; r < chosen.rows; ++r) {
    std::copy_n(x.row(rows[static_cast<std::size_t>(r)]), x.cols, chosen.row(r));
  }
}
void scatter(Mat<float> d, Mat<const float> chosen, std::span<const std::int64_t> rows) {
  for (std::int64_t r = 0; r < chosen.rows; ++r) {
    float* to = d.row(rows[static_cast<std::size_t>(r)]);
    for (std::int64_t i = 0; i < d.cols; ++i) to[i] += chosen.row(r)[i];
  }
}

Mat<float> first(Mat<float> m, std::int64_t rows, std::int64_t cols) {
  return {m.data, rows, cols, cols};
}

}  // namespace

LabelCounts& LabelCounts::operator+=(const LabelCounts& more) {
  labels += more.labels, starts += more.starts, ends += more.ends;
  next_sentence += more.next_sentence;
  return *this;
}

LabelCounts LabelCounts::operator*(double factor) const {
  return {labels * factor, starts * factor, ends * factor, next_sentence * factor};
}

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

LabelCounts check_targets(const EncoderDescription& model, const Batch& batch,
                          const EncoderTargets& t) {
  LabelCounts counts;
  const std::int64_t C = head_classes(model);
  switch (model.head) {
    case HeadKind::kSequenceClassification:
      if (!t.values.empty()) {
        check_size(t.values.size(), batch.B() * C);
        counts.labels = static_cast<double>(t.values.size());
      } else {
        counts.labels = check_labels(t.labels, batch.B(), C);
      }
      break;
    case HeadKind::kMultipleChoice: {
      const auto rows = static_cast<std::int64_t>(t.labels.size());
      if (rows == 0 || batch.B() % rows != 0) {
        fail("found " + std::to_string(rows) + " for " + std::to_string(batch.B()) + " choices");
      }
      counts.labels = check_labels(t.labels, rows, batch.B() / rows);
      break;
    }
    case HeadKind::kQuestionAnswering:
      check_size(t.spans.starts.size(), batch.B());
      check_size(t.spans.ends.size(), batch.B());
      for (std::int64_t b = 0; b < batch.B(); ++b) {
        const auto i = static_cast<std::size_t>(b);
        counts.starts += span_position(t.spans.starts[i], batch.length(b)).has_value() ? 1 : 0;
        counts.ends += span_position(t.spans.ends[i], batch.length(b)).has_value() ? 1 : 0;
      }
      break;
    case HeadKind::kTokenClassification:
    case HeadKind::kMaskedLm:
    case HeadKind::kPreTraining:
      counts.labels = check_labels(t.labels, batch.T(), C);
      break;
    case HeadKind::kNextSentence:
    case HeadKind::kBase:
    case HeadKind::kCausalLm:
      break;
  }
  if (has_next_sentence(model.head)) {
    counts.next_sentence = check_labels(t.next_sentence, batch.B(), 2);
  }
  return counts;
}

EncoderDropout read_dropout(const EncoderDescription& model, json::Value config) {
  const auto number = [&](const char* key, double otherwise) {
    const double p = config.find_non_null(key) ? read_number(config, key, 0) : otherwise;
    if (!(p >= 0 && p < 1)) {
      throw Error(ErrorCode::kFormat, std::string("config.json: ") + key + " is " +
                                          std::to_string(p) + ", expected 0 to below 1");
    }
    return static_cast<float>(p);
  };
  const HeadKind head = model.head;
  const bool sequence =
      head == HeadKind::kSequenceClassification || head == HeadKind::kMultipleChoice;
  if (model.common.model_type == "bert") {
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

double EncoderTraining::head(const Batch& batch, const TrainingPass& pass, Want want) {
  const Mat<float> d = activations_->dx.slice_rows(0, batch.T());
  if (want == Want::kGradients) std::fill_n(d.data, d.rows * d.cols, 0.0f);
  const HeadKind kind = encoder_.description.head;
  if (kind == HeadKind::kTokenClassification || kind == HeadKind::kQuestionAnswering) {
    return token_head(batch, pass, want);
  }
  double loss = 0;
  if (has_vocabulary(kind)) {
    rows_.clear();
    labels_.clear();
    for (std::int64_t t = 0; t < batch.T(); ++t) {
      const std::int64_t label = pass.targets.labels[static_cast<std::size_t>(t)];
      if (label == kIgnoreLabel) continue;
      rows_.push_back(t);
      labels_.push_back(label);
    }
    loss += vocabulary_head(pass, want);
  }
  if (!has_vocabulary(kind) || has_next_sentence(kind)) loss += sequence_head(batch, pass, want);
  return loss;
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

  double loss = 0;
  const EncoderTargets& t = pass.targets;
  const std::int64_t C = logits.cols;
  if (!next && !t.values.empty()) {
    const bool regression = model.common.problem_type == ProblemType::kRegression ||
                            (model.common.problem_type == ProblemType::kUnset && C == 1);
    loss = (regression ? mean_squared_error : binary_cross_entropy)(logits, logits, t.values,
                                                                    pass.divisors.labels);
  } else {
    const auto labels = next ? t.next_sentence : t.labels;
    const auto rows = static_cast<std::int64_t>(labels.size());
    const Mat<float> scores = choice ? first(s.logits, rows, B / rows) : logits;
    const double divisor = next ? pass.divisors.next_sentence : pass.divisors.labels;
    loss = cross_entropy(ctx, scores, scores, labels, {pass.smoothing, divisor}, s.row_losses);
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
  Mat<float> x = last_hidden(T);
  if (site.probability > 0) {
    std::copy_n(x.data, T * x.cols, s.dropped.data);
    x = s.dropped.slice_rows(0, T);
    dropout(ctx, x, batch, site, pass.dropout);
  }
  dense(ctx, logits, x, w.classifier, s.packed.data);  // logits [T, C]
  const double loss =
      model.head == HeadKind::kQuestionAnswering
          ? span_cross_entropy(logits, logits, batch, pass.targets.spans, pass.smoothing,
                               {pass.divisors.starts, pass.divisors.ends})
          : cross_entropy(ctx, logits, logits, pass.targets.labels,
                          {pass.smoothing, pass.divisors.labels}, s.row_losses);
  if (want == Want::kLoss) return loss;
  dense_bwd(ctx, {.dx = d, .x = x, .dy = logits}, w.classifier, g.classifier, s.packed.data);
  dropout(ctx, d, batch, site, pass.dropout);  // dx [T, D]
  return loss;
}

double EncoderTraining::vocabulary_head(const TrainingPass& pass, Want want) {
  double loss = 0;
  const auto rows = static_cast<std::size_t>(activations_->chosen.rows);
  for (std::size_t first = 0; first < rows_.size(); first += rows) {
    loss += vocabulary_rows(first, std::min(rows, rows_.size() - first), pass, want);
  }
  return loss;
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
  const double loss = cross_entropy(ctx, logits, logits, labels,
                                    {pass.smoothing, pass.divisors.labels}, s.row_losses);
  if (want == Want::kLoss) return loss;

  Dense ddecoder = g.decoder;
  if (tied_decoder_.data() != nullptr) {
    ddecoder.weight.data = reinterpret_cast<float*>(tied_decoder_.data());
  }
  dense_bwd(ctx, {.dx = d_inner, .x = normed, .dy = logits}, w.decoder, ddecoder, packed);
  layer_norm_bwd(ctx, d_inner, d_inner, active, s.chosen_rows, w.transform_norm, g.transform_norm);
  activate_bwd(ctx, d_inner, d_inner, inner, c.activation);
  dense_bwd(ctx, {.dx = normed, .x = chosen, .dy = d_inner}, w.transform, g.transform, packed);
  scatter(s.dx, normed, rows);  // dx [T, D]
  return loss;
}

}  // namespace linnet
