#include "engine/tasks/reranker.h"

#include <algorithm>

#include "weights/base/error.h"
#include "weights/base/text.h"

namespace linnet {

ScoreFunction cross_encoder_function(json::Value config, std::size_t labels) {
  std::optional<json::Value> name;
  if (const auto group = config.find_non_null("sentence_transformers")) {
    name = group->find_non_null("activation_fn");
  }
  if (!name) name = config.find_non_null("sbert_ce_default_activation_function");
  if (!name) return labels == 1 ? ScoreFunction::kSigmoid : ScoreFunction::kNone;
  if (name->string() == "torch.nn.modules.linear.Identity") return ScoreFunction::kNone;
  if (name->string() == "torch.nn.modules.activation.Sigmoid") return ScoreFunction::kSigmoid;
  throw Error(ErrorCode::kUnsupported, "config.json: the activation function " +
                                           quote(name->string()) +
                                           " of a cross-encoder is not supported");
}

Reranker::Reranker(const TaskModel& model, const SessionOptions& options)
    : model_(model),
      session_(model.encoder, options),
      function_(cross_encoder_function(model.encoder.checkpoint.config(), model.labels().size())) {
  expect_head(model, HeadKind::kSequenceClassification, "reranking");
  if (model.labels().size() != 1) {
    throw Error(ErrorCode::kUnsupported,
                model.encoder.checkpoint.directory().name() + ": the model has " +
                    std::to_string(model.labels().size()) +
                    " labels, expected one that says how relevant a text is");
  }
}

std::vector<Relevance> Reranker::score(std::string_view query,
                                       std::span<const std::string_view> texts,
                                       const RerankOptions& options, const TaskCalls& calls) {
  std::vector<TextInput> inputs;
  for (const std::string_view text : texts) inputs.push_back({query, text});
  const SequenceLogits logits = sequence_logits(model_, session_, inputs, options.sequence, calls);
  std::vector<Relevance> results(texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    results[i].error = logits.errors[i];
    if (!results[i].error.empty()) continue;
    apply(options.raw_scores ? ScoreFunction::kNone : function_, logits.row(i),
          {&results[i].score, 1});
  }
  return results;
}

std::vector<std::size_t> ranking(std::span<const Relevance> results, std::int64_t top_k) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (results[i].error.empty()) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return results[a].score > results[b].score;
  });
  if (top_k > 0 && static_cast<std::size_t>(top_k) < order.size()) {
    order.resize(static_cast<std::size_t>(top_k));
  }
  return order;
}

}  // namespace linnet
