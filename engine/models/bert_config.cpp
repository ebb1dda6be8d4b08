// Shapes: H hidden width, I feed-forward width, V vocabulary, P positions, C labels.
#include "engine/models/bert_config.h"

#include <cmath>

#include "engine/models/activation.h"
#include "engine/models/encoder_tensors.h"
#include "weights/base/error.h"

namespace linnet {

std::vector<std::int64_t> heads_after_pruning(const CommonConfig& common, std::int64_t layers,
                                              std::int64_t heads) {
  std::vector<std::int64_t> left(static_cast<std::size_t>(layers), heads);
  for (const auto& [layer, pruned] : common.pruned_heads) {
    const auto fail = [layer = layer](const std::string& what) {
      throw Error(ErrorCode::kFormat,
                  "config.json: pruned_heads: layer " + std::to_string(layer) + what);
    };
    if (layer >= layers) fail(", the model has " + std::to_string(layers));
    for (const std::int64_t head : pruned) {
      if (head >= heads) fail(", head " + std::to_string(head) + " of " + std::to_string(heads));
    }
    left[static_cast<std::size_t>(layer)] -= static_cast<std::int64_t>(pruned.size());
    if (left[static_cast<std::size_t>(layer)] == 0) fail(" has no head left");
  }
  return left;
}

BertConfig BertConfig::from_json(json::Value config) {
  BertConfig c;
  c.common = read_common_config(config);
  c.vocab_size = read_integer(config, {"vocab_size"}, c.vocab_size, 1, kMaxVocabulary);
  c.hidden_size = read_integer(config, {"hidden_size"}, c.hidden_size, 1, kMaxWidth);
  c.num_hidden_layers =
      read_integer(config, {"num_hidden_layers"}, c.num_hidden_layers, 1, kMaxLayers);
  c.num_attention_heads =
      read_integer(config, {"num_attention_heads"}, c.num_attention_heads, 1, kMaxHeads);
  c.intermediate_size =
      read_integer(config, {"intermediate_size"}, c.intermediate_size, 1, kMaxWidth);
  c.hidden_act = read_activation(config, "hidden_act", c.hidden_act);
  c.max_position_embeddings = read_integer(config, {"max_position_embeddings"},
                                           c.max_position_embeddings, 1, kMaxPositions);
  c.type_vocab_size = read_integer(config, {"type_vocab_size"}, c.type_vocab_size, 1, kMaxWidth);
  c.layer_norm_eps = read_number(config, "layer_norm_eps", c.layer_norm_eps);
  if (!(c.layer_norm_eps >= 0) || !std::isfinite(c.layer_norm_eps)) {
    config.at("layer_norm_eps").fail("expected a number of 0 or more");
  }
  if (c.hidden_size % c.num_attention_heads != 0) {
    config.fail("hidden_size " + std::to_string(c.hidden_size) + " is no multiple of the " +
                std::to_string(c.num_attention_heads) + " heads");
  }
  const std::string positions = read_string(config, "position_embedding_type", "absolute");
  if (positions != "absolute") {
    throw Error(ErrorCode::kUnsupported,
                "config.json: position_embedding_type: only \"absolute\" is supported");
  }
  heads_after_pruning(c.common, c.num_hidden_layers, c.num_attention_heads);
  return c;
}

EncoderConfig BertConfig::encoder() const {
  EncoderConfig e;
  e.vocab_size = vocab_size;
  e.positions = max_position_embeddings;
  e.token_types = type_vocab_size;
  e.D = hidden_size;
  e.F = intermediate_size;
  e.head_width = hidden_size / num_attention_heads;
  e.heads = heads_after_pruning(common, num_hidden_layers, num_attention_heads);
  e.activation = hidden_act;
  e.layer_norm_eps = static_cast<float>(layer_norm_eps);
  return e;
}

weights::NameSpelling bert_spelling() {
  return {
      "embeddings.word_embeddings.weight", {"bert.", "", "encoder.", "model.bert.", "model."}, {}};
}

std::vector<weights::TensorRule> bert_tensors(const BertConfig& c, HeadKind head) {
  using enum EncoderField;
  const std::int64_t H = c.hidden_size, V = c.vocab_size;
  const auto C = static_cast<std::int64_t>(c.common.labels.size());
  const EncoderConfig e = c.encoder();
  TensorTable t;
  t.matrix(kWordEmbeddings, "embeddings.word_embeddings.weight", {V, H});
  t.matrix(kPositionEmbeddings, "embeddings.position_embeddings.weight",
           {c.max_position_embeddings, H});
  t.matrix(kTypeEmbeddings, "embeddings.token_type_embeddings.weight", {c.type_vocab_size, H});
  t.layer_norm(kEmbeddingNorm, "embeddings.LayerNorm", H);
  for (std::int64_t i = 0; i < c.num_hidden_layers; ++i) {
    const std::int64_t A = e.heads[static_cast<std::size_t>(i)] * e.head_width;
    t.begin_layer(i, "encoder.layer." + std::to_string(i) + ".");
    t.linear(kQuery, "attention.self.query", A, H);
    t.linear(kKey, "attention.self.key", A, H);
    t.linear(kValue, "attention.self.value", A, H);
    t.linear(kAttentionOutput, "attention.output.dense", H, A);
    t.layer_norm(kAttentionNorm, "attention.output.LayerNorm", H);
    t.linear(kIntermediate, "intermediate.dense", c.intermediate_size, H);
    t.linear(kOutput, "output.dense", H, c.intermediate_size);
    t.layer_norm(kOutputNorm, "output.LayerNorm", H);
  }
  t.end_layers();

  const bool pooled = head == HeadKind::kSequenceClassification ||
                      head == HeadKind::kMultipleChoice || head == HeadKind::kNextSentence ||
                      head == HeadKind::kPreTraining;
  const bool base = head == HeadKind::kBase;  // saved with or without its pooler
  t.linear_if(pooled || base, kPooler, "pooler.dense", H, H, base);

  t.begin_head();
  const bool labels =
      head == HeadKind::kSequenceClassification || head == HeadKind::kTokenClassification;
  const bool choice = head == HeadKind::kMultipleChoice;
  t.linear_if(labels || choice, kClassifier, "classifier", choice ? 1 : C, H);
  t.linear_if(head == HeadKind::kQuestionAnswering, kSpan, "qa_outputs", 2, H);
  const bool vocabulary = head == HeadKind::kMaskedLm || head == HeadKind::kPreTraining;
  t.linear_if(vocabulary, kTransform, "cls.predictions.transform.dense", H, H);
  t.layer_norm_if(vocabulary, kTransformNorm, "cls.predictions.transform.LayerNorm", H);
  // The decoder is tied to the word embeddings and its bias has two names; files hold any of them.
  t.tied_matrix_if(vocabulary, kDecoder, "cls.predictions.decoder.weight", {V, H},
                   "embeddings.word_embeddings.weight");
  t.optional_vector_if(vocabulary, kDecoderBias, "cls.predictions.decoder.bias", V);
  t.optional_vector_if(vocabulary, kPredictionBias, "cls.predictions.bias", V);
  const bool sentence = head == HeadKind::kNextSentence || head == HeadKind::kPreTraining;
  t.linear_if(sentence, kSeqRelationship, "cls.seq_relationship", 2, H);
  return std::move(t).rules();
}

}  // namespace linnet
