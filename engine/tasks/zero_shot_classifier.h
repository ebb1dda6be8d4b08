#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/tasks/sequence_logits.h"

namespace linnet {

/// Names, meanings and defaults of the zero-shot-classification pipeline of transformers.
struct ZeroShotOptions {
  std::string hypothesis_template = "This example is {}.";  // {}: where a label goes
  bool multi_label = false;  // each label is judged by itself: none or several may be true
  SequenceOptions sequence{};
};

struct CandidateScore {
  std::size_t label;  // index into the candidates
  double score;
};

struct ZeroShotResult {
  std::vector<CandidateScore> labels;  // best first, equal ones in their order
  std::string error;                   // not empty: the text could not be read
};

/// Chooses among labels that the model was not trained for: a model for natural language inference
/// says whether a text entails "This example is LABEL.". The scores are a softmax of the entailment
/// logits over the labels; with multi_label, or one label alone, of entailment against
/// contradiction for each label. Owns scratch memory and threads; one thread uses it at a time.
class ZeroShotClassifier {
 public:
  /// The model must outlive it and have been loaded with HeadKind::kSequenceClassification. Throws
  /// kUnsupported unless one of its labels begins with "entail".
  explicit ZeroShotClassifier(const TaskModel& model, const SessionOptions& options = {});

  /// One result for each text, in their order; the bits of a result depend on its text and the
  /// candidates alone. Of a long text the end is cut, never the hypothesis. Throws kInvalidArgument
  /// for a template without {} or no candidate, kCancelled.
  std::vector<ZeroShotResult> classify(std::span<const std::string_view> texts,
                                       std::span<const std::string> candidates,
                                       const ZeroShotOptions& options = {},
                                       const TaskCalls& calls = {});

 private:
  const TaskModel& model_;
  EncoderSession session_;
  std::size_t entailment_ = 0, contradiction_ = 0;  // labels of the model
};

}  // namespace linnet
