#include "engine/models/training.h"

#include "engine/core/float_environment.h"
#include "engine/models/training_parts.h"
#include "engine/ops/add.h"
#include "weights/base/error.h"

namespace linnet {
namespace {

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

double check_sequence_labels(std::int64_t C, const Batch& batch, const TrainingTargets& t) {
  if (t.values.empty()) return check_labels(t.labels, batch.B(), C);
  check_size(t.values.size(), batch.B() * C);
  return static_cast<double>(t.values.size());
}

double check_choices(const Batch& batch, const TrainingTargets& t) {
  const auto rows = static_cast<std::int64_t>(t.labels.size());
  if (rows == 0 || batch.B() % rows != 0) {
    fail("found " + std::to_string(rows) + " for " + std::to_string(batch.B()) + " choices");
  }
  return check_labels(t.labels, rows, batch.B() / rows);
}

void count_spans(LabelCounts& counts, const Batch& batch, const SpanLabels& spans) {
  check_size(spans.starts.size(), batch.B());
  check_size(spans.ends.size(), batch.B());
  for (std::int64_t b = 0; b < batch.B(); ++b) {
    const auto i = static_cast<std::size_t>(b);
    counts.starts += span_position(spans.starts[i], batch.length(b)).has_value() ? 1 : 0;
    counts.ends += span_position(spans.ends[i], batch.length(b)).has_value() ? 1 : 0;
  }
}

}  // namespace

LabelCounts& LabelCounts::operator+=(const LabelCounts& more) {
  labels += more.labels, starts += more.starts, ends += more.ends;
  next_sentence += more.next_sentence;
  sequences += more.sequences, tokens += more.tokens;
  return *this;
}

LabelCounts LabelCounts::operator*(double factor) const {
  return {labels * factor,        starts * factor,    ends * factor,
          next_sentence * factor, sequences * factor, tokens * factor};
}

LabelCounts check_targets(HeadKind head, std::int64_t C, const Batch& batch,
                          const TrainingTargets& t) {
  LabelCounts counts;
  counts.sequences = static_cast<double>(batch.B());
  counts.tokens = static_cast<double>(batch.T());
  switch (head) {
    case HeadKind::kSequenceClassification:
      counts.labels = check_sequence_labels(C, batch, t);
      break;
    case HeadKind::kMultipleChoice:
      counts.labels = check_choices(batch, t);
      break;
    case HeadKind::kQuestionAnswering:
      count_spans(counts, batch, t.spans);
      break;
    case HeadKind::kTokenClassification:
    case HeadKind::kMaskedLm:
      counts.labels = check_labels(t.labels, batch.T(), C);
      break;
    case HeadKind::kCausalLm:
      counts.labels = check_labels(t.labels, batch.T(), C);
      for (const std::int64_t start : batch.starts.first(static_cast<std::size_t>(batch.B()))) {
        if (t.labels[static_cast<std::size_t>(start)] != kIgnoreLabel) --counts.labels;
      }
      break;
    case HeadKind::kPreTraining:
      counts.labels = check_labels(t.labels, batch.T(), C);
      counts.next_sentence = check_labels(t.next_sentence, batch.B(), 2);
      break;
    case HeadKind::kNextSentence:
      counts.next_sentence = check_labels(t.next_sentence, batch.B(), 2);
      break;
    case HeadKind::kBase:
      break;
  }
  return counts;
}

float read_probability(json::Value config, const char* key, double otherwise) {
  const double p = config.find_non_null(key) ? read_number(config, key, 0) : otherwise;
  if (!(p >= 0 && p < 1)) {
    throw Error(ErrorCode::kFormat, std::string("config.json: ") + key + " is " +
                                        std::to_string(p) + ", expected 0 to below 1");
  }
  return static_cast<float>(p);
}

ModelTraining::ModelTraining(const TrainableModel& model, const kernels::KernelTable& kernels,
                             int threads, const TrainingSize& size)
    : recompute_(size.recompute),
      kernels_(kernels),
      threads_(threads),
      precision_(size.precision),
      gradient_bytes_(model.bytes()) {
  rows_.reserve(static_cast<std::size_t>(size.tokens));
  labels_.reserve(static_cast<std::size_t>(size.tokens));
}

double ModelTraining::loss(const Batch& batch, const TrainingPass& pass) {
  const FloatEnvironment environment;
  forward(batch, pass);
  return head(batch, pass, Want::kLoss);
}

double ModelTraining::accumulate(const Batch& batch, const TrainingPass& pass) {
  const FloatEnvironment environment;
  forward(batch, pass);
  const double loss = head(batch, pass, Want::kGradients);
  backward(batch, pass);
  return loss;
}

void ModelTraining::tie(Mat<float> embeddings_gradient) {
  tied_ = embeddings_gradient;
  tied_product_ = Block(tied_.rows * tied_.cols * static_cast<std::int64_t>(sizeof(float)));
}

Mat<float> ModelTraining::head_gradient(Mat<float> otherwise) const {
  if (tied_.data == nullptr) return otherwise;
  return {reinterpret_cast<float*>(tied_product_.data()), tied_.rows, tied_.cols, tied_.cols};
}

void ModelTraining::clear_gradients() {
  clear(context(), gradients(), gradient_bytes_);
  clear(context(), tied_product_.data(), tied_product_.bytes());
}

void ModelTraining::join_gradients() {
  if (tied_.data != nullptr) add(context(), tied_, head_gradient(tied_));
}

std::int64_t NamedParameter::elements() const {
  std::int64_t n = 1;
  for (const std::int64_t size : shape) n *= size;
  return n;
}

}  // namespace linnet
