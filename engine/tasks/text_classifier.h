#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/tasks/sequence_logits.h"

namespace linnet {

/// How logits become scores: a probability of each label among all, of each by itself, or as they
/// are.
enum class ScoreFunction { kSoftmax, kSigmoid, kNone };

/// "softmax", "sigmoid", "none"; throws kInvalidArgument for anything else.
ScoreFunction parse_score_function(std::string_view text);

/// What the text-classification pipeline of transformers takes for a model: none for regression,
/// sigmoid for several labels at once or one label, softmax otherwise.
ScoreFunction default_score_function(const CommonConfig& config);

/// scores[i] of logits[i]. Both have the same length and may not overlap.
void apply(ScoreFunction function, std::span<const float> logits, std::span<double> scores);

struct ClassifyOptions {
  std::int64_t top_k = 1;                   // labels of a text, the best ones; 0 for all
  std::optional<ScoreFunction> function{};  // default_score_function without one
  SequenceOptions sequence{};
};

struct LabelScore {
  std::int64_t label;  // index into labels()
  double score;
};

/// What one text or pair got.
struct Classification {
  std::vector<LabelScore> labels;  // best first, equal ones by label
  std::string error;               // not empty: it could not be read, there are no labels
};

/// Gives texts their labels, with a sequence-classification model. Owns scratch memory and threads;
/// one thread uses it at a time.
class TextClassifier {
 public:
  /// The model must outlive it and have been loaded with HeadKind::kSequenceClassification.
  explicit TextClassifier(const TaskModel& model, const SessionOptions& options = {});

  /// One result for each input, in their order; the bits of a result depend on its input alone.
  /// Throws kInvalidArgument for options out of range, kCancelled.
  std::vector<Classification> classify(std::span<const TextInput> inputs,
                                       const ClassifyOptions& options = {},
                                       const TaskCalls& calls = {});

  const std::vector<std::string>& labels() const { return model_.labels(); }

 private:
  const TaskModel& model_;
  EncoderSession session_;
};

}  // namespace linnet
