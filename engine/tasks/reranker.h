#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/tasks/text_classifier.h"

namespace linnet {

/// What a cross-encoder of sentence-transformers does to its logits: the function that config.json
/// names under sentence_transformers.activation_fn or sbert_ce_default_activation_function, else
/// sigmoid for one label and none for more. Throws kUnsupported for another function.
ScoreFunction cross_encoder_function(json::Value config, std::size_t labels);

struct RerankOptions {
  bool raw_scores = false;  // logits instead of scores
  SequenceOptions sequence{};
};

/// How well a text answers a query.
struct Relevance {
  double score = 0;
  std::string error;  // not empty: the text could not be read, the score is 0
};

/// Scores texts against a query with a cross-encoder that has one label. Owns scratch memory and
/// threads; one thread uses it at a time.
class Reranker {
 public:
  /// The model must outlive it and have been loaded with HeadKind::kSequenceClassification. Throws
  /// kUnsupported for a model with more than one label.
  explicit Reranker(const TaskModel& model, const SessionOptions& options = {});

  /// One result for each text, in their order; the bits of a result depend on the query and its
  /// text alone. Throws kCancelled.
  std::vector<Relevance> score(std::string_view query, std::span<const std::string_view> texts,
                               const RerankOptions& options = {}, const TaskCalls& calls = {});

 private:
  const TaskModel& model_;
  EncoderSession session_;
  ScoreFunction function_;
};

/// Indices of the results without an error, best first, equal ones in their order; at most `top_k`
/// of them, 0 for all.
std::vector<std::size_t> ranking(std::span<const Relevance> results, std::int64_t top_k = 0);

}  // namespace linnet
