// Shapes: H = dim, I = hidden_dim, V vocabulary, C labels.
#include "engine/models/distilbert_config.h"

#include "engine/models/activation.h"
#include "engine/models/bert_config.h"
#include "engine/models/encoder_tensors.h"
#include "weights/base/error.h"

namespace linnet {

DistilBertConfig DistilBertConfig::from_json(json::Value config) {
  DistilBertConfig c;
  c.common = read_common_config(config);
  c.vocab_size = read_integer(config, {"vocab_size"}, c.vocab_size, 1, kMaxVocabulary);
  c.max_position_embeddings = read_integer(config, {"max_position_embeddings"},
                                           c.max_position_embeddings, 1, kMaxPositions);
  c.n_layers = read_integer(config, {"n_layers", "num_hidden_layers"}, c.n_layers, 1, kMaxLayers);
  c.n_heads = read_integer(config, {"n_heads", "num_attention_heads"}, c.n_heads, 1, kMaxHeads);
  c.dim = read_integer(config, {"dim", "hidden_size"}, c.dim, 1, kMaxWidth);
  c.hidden_dim = read_integer(config, {"hidden_dim"}, c.hidden_dim, 1, kMaxWidth);
  c.activation = read_activation(config, "activation", c.activation);
  c.sinusoidal_pos_embds = read_boolean(config, "sinusoidal_pos_embds", false);
  if (c.dim % c.n_heads != 0) {
    config.fail("dim " + std::to_string(c.dim) + " is no multiple of the " +
                std::to_string(c.n_heads) + " heads");
  }
  heads_after_pruning(c.common, c.n_layers, c.n_heads);
  return c;
}

EncoderConfig DistilBertConfig::encoder() const {
  EncoderConfig e;
  e.vocab_size = vocab_size;
  e.positions = max_position_embeddings;
  e.D = dim;
  e.F = hidden_dim;
  e.head_width = dim / n_heads;
  e.heads = heads_after_pruning(common, n_layers, n_heads);
  e.activation = activation;
  e.layer_norm_eps = 1e-12f;  // fixed: there is no key for it
  return e;
}

weights::NameSpelling distilbert_spelling() {
  return {"embeddings.word_embeddings.weight",
          {"distilbert.", "", "encoder.", "model.distilbert.", "model."},
          {{"encoder.layer.", "transformer.layer."}}};
}

std::vector<weights::TensorRule> distilbert_tensors(const DistilBertConfig& c, HeadKind head) {
  using enum EncoderField;
  const std::int64_t H = c.dim, V = c.vocab_size;
  const auto C = static_cast<std::int64_t>(c.common.labels.size());
  const EncoderConfig e = c.encoder();
  TensorTable t;
  t.matrix(kWordEmbeddings, "embeddings.word_embeddings.weight", {V, H});
  // The table in the file wins over the formula of sinusoidal_pos_embds; without it the formula
  // serves.
  t.matrix(kPositionEmbeddings, "embeddings.position_embeddings.weight",
           {c.max_position_embeddings, H},
           c.sinusoidal_pos_embds ? weights::Presence::kOptional : weights::Presence::kRequired);
  t.layer_norm(kEmbeddingNorm, "embeddings.LayerNorm", H);
  for (std::int64_t i = 0; i < c.n_layers; ++i) {
    const std::int64_t A = e.heads[static_cast<std::size_t>(i)] * e.head_width;
    t.begin_layer(i, "transformer.layer." + std::to_string(i) + ".");
    t.linear(kQuery, "attention.q_lin", A, H);
    t.linear(kKey, "attention.k_lin", A, H);
    t.linear(kValue, "attention.v_lin", A, H);
    t.linear(kAttentionOutput, "attention.out_lin", H, A);
    t.layer_norm(kAttentionNorm, "sa_layer_norm", H);
    t.linear(kIntermediate, "ffn.lin1", c.hidden_dim, H);
    t.linear(kOutput, "ffn.lin2", H, c.hidden_dim);
    t.layer_norm(kOutputNorm, "output_layer_norm", H);
  }
  t.end_layers();

  t.begin_head();
  const bool sequence = head == HeadKind::kSequenceClassification;
  const bool choice = head == HeadKind::kMultipleChoice;
  const bool tokens = head == HeadKind::kTokenClassification;
  t.linear_if(sequence || choice, kPooler, "pre_classifier", H, H);
  t.linear_if(sequence || choice || tokens, kClassifier, "classifier", choice ? 1 : C, H);
  t.linear_if(head == HeadKind::kQuestionAnswering, kSpan, "qa_outputs", 2, H);
  const bool vocabulary = head == HeadKind::kMaskedLm;
  t.linear_if(vocabulary, kTransform, "vocab_transform", H, H);
  t.layer_norm_if(vocabulary, kTransformNorm, "vocab_layer_norm", H);
  t.tied_matrix_if(vocabulary, kDecoder, "vocab_projector.weight", {V, H},
                   "embeddings.word_embeddings.weight");
  t.vector_if(vocabulary, kDecoderBias, "vocab_projector.bias", V);
  return std::move(t).rules();
}

}  // namespace linnet
