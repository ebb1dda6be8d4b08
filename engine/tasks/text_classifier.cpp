#include "engine/tasks/text_classifier.h"

#include <algorithm>

#include "engine/core/math.h"
#include "weights/base/error.h"
#include "weights/base/text.h"

namespace linnet {

ScoreFunction parse_score_function(std::string_view text) {
  if (text == "softmax") return ScoreFunction::kSoftmax;
  if (text == "sigmoid") return ScoreFunction::kSigmoid;
  if (text == "none") return ScoreFunction::kNone;
  throw Error(ErrorCode::kInvalidArgument,
              "score function: found " + quote(text) + ", expected softmax, sigmoid or none");
}

ScoreFunction default_score_function(const CommonConfig& config) {
  if (config.problem_type == ProblemType::kRegression) return ScoreFunction::kNone;
  if (config.problem_type == ProblemType::kMultiLabel || config.labels.size() == 1) {
    return ScoreFunction::kSigmoid;
  }
  return ScoreFunction::kSoftmax;
}

void apply(ScoreFunction function, std::span<const float> logits, std::span<double> scores) {
  switch (function) {
    case ScoreFunction::kSoftmax:
      math::softmax(scores.data(), logits.data(), static_cast<std::int64_t>(logits.size()));
      return;
    case ScoreFunction::kSigmoid:
      std::transform(logits.begin(), logits.end(), scores.begin(),
                     [](float x) { return math::sigmoid(static_cast<double>(x)); });
      return;
    case ScoreFunction::kNone:
      std::copy(logits.begin(), logits.end(), scores.begin());
      return;
  }
}

TextClassifier::TextClassifier(const TaskModel& model, const SessionOptions& options)
    : model_(model), session_(model.encoder, options) {
  expect_head(model, HeadKind::kSequenceClassification, "text classification");
}

std::vector<Classification> TextClassifier::classify(std::span<const TextInput> inputs,
                                                     const ClassifyOptions& options,
                                                     const TaskCalls& calls) {
  if (options.top_k < 0) {
    throw Error(ErrorCode::kInvalidArgument,
                "top_k: found " + std::to_string(options.top_k) + ", expected 0 or more");
  }
  const SequenceLogits logits = sequence_logits(model_, session_, inputs, options.sequence, calls);
  const ScoreFunction function =
      options.function.value_or(default_score_function(model_.encoder.common));
  std::vector<Classification> results(inputs.size());
  std::vector<double> scores(labels().size());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    Classification& result = results[i];
    result.error = logits.errors[i];
    if (!result.error.empty()) continue;
    apply(function, logits.row(i), scores);
    for (std::size_t label = 0; label < scores.size(); ++label) {
      result.labels.push_back({static_cast<std::int64_t>(label), scores[label]});
    }
    std::stable_sort(result.labels.begin(), result.labels.end(),
                     [](const LabelScore& a, const LabelScore& b) { return a.score > b.score; });
    const auto kept = static_cast<std::size_t>(options.top_k);
    if (kept > 0 && kept < result.labels.size()) result.labels.resize(kept);
  }
  return results;
}

}  // namespace linnet
