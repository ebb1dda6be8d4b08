#include "engine/tasks/zero_shot_classifier.h"

#include <algorithm>

#include "engine/core/math.h"
#include "weights/base/error.h"
#include "weights/base/text.h"

namespace linnet {
namespace {

bool begins_with_entail(std::string_view label) {
  constexpr std::string_view kEntail = "entail";
  return label.size() >= kEntail.size() &&
         std::equal(kEntail.begin(), kEntail.end(), label.begin(), [](char lower, char c) {
           return c == lower || (c >= 'A' && c <= 'Z' && c - 'A' + 'a' == lower);
         });
}

std::vector<std::string> hypotheses(const ZeroShotOptions& options,
                                    std::span<const std::string> candidates) {
  const std::size_t at = options.hypothesis_template.find("{}");
  if (at == std::string::npos) {
    throw Error(ErrorCode::kInvalidArgument, "hypothesis template: found " +
                                                 quote(options.hypothesis_template) +
                                                 ", expected {} where the label goes");
  }
  if (candidates.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "candidate labels: expected at least one");
  }
  std::vector<std::string> out;
  for (const std::string& label : candidates) {
    out.push_back(options.hypothesis_template);
    out.back().replace(at, 2, label);
  }
  return out;
}

}  // namespace

ZeroShotClassifier::ZeroShotClassifier(const TaskModel& model, const SessionOptions& options)
    : model_(model), session_(model.encoder, options) {
  expect_head(model, HeadKind::kSequenceClassification, "zero-shot classification");
  const std::vector<std::string>& labels = model.labels();
  const auto found = std::find_if(labels.begin(), labels.end(), begins_with_entail);
  if (found == labels.end() || labels.size() < 2) {
    throw Error(ErrorCode::kUnsupported,
                model.encoder.checkpoint.directory().name() +
                    ": no label of the model begins with \"entail\": expected a model for natural "
                    "language inference");
  }
  entailment_ = static_cast<std::size_t>(found - labels.begin());
  contradiction_ = entailment_ == 0 ? labels.size() - 1 : 0;
}

std::vector<ZeroShotResult> ZeroShotClassifier::classify(std::span<const std::string_view> texts,
                                                         std::span<const std::string> candidates,
                                                         const ZeroShotOptions& options,
                                                         const TaskCalls& calls) {
  const std::vector<std::string> claims = hypotheses(options, candidates);
  std::vector<TextInput> inputs;
  for (const std::string_view text : texts) {
    for (const std::string& claim : claims) inputs.push_back({text, claim});
  }
  SequenceOptions sequence = options.sequence;
  if (sequence.too_long == TooLong::kTruncate) sequence.too_long = TooLong::kTruncateFirst;
  const SequenceLogits logits = sequence_logits(model_, session_, inputs, sequence, calls);

  const std::size_t n = claims.size();
  const bool alone = options.multi_label || n == 1;
  std::vector<ZeroShotResult> results(texts.size());
  std::vector<float> entailments(n);
  std::vector<double> scores(n);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    for (std::size_t k = 0; k < n; ++k) {
      const std::string& error = logits.errors[i * n + k];
      if (results[i].error.empty()) results[i].error = error;
      const std::span<const float> row = logits.row(i * n + k);
      entailments[k] = row[entailment_];
      const float pair[2] = {row[contradiction_], row[entailment_]};
      double probabilities[2];
      math::softmax(probabilities, pair, 2);
      scores[k] = probabilities[1];
    }
    if (!results[i].error.empty()) continue;
    if (!alone) math::softmax(scores.data(), entailments.data(), static_cast<std::int64_t>(n));
    for (std::size_t k = 0; k < n; ++k) results[i].labels.push_back({k, scores[k]});
    std::stable_sort(
        results[i].labels.begin(), results[i].labels.end(),
        [](const CandidateScore& a, const CandidateScore& b) { return a.score > b.score; });
  }
  return results;
}

}  // namespace linnet
