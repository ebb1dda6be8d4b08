// Dimension key: D model width, A heads · head width, F feed-forward width, V vocabulary, C labels.
#include "engine/models/encoder_parameters.h"

#include <algorithm>

#include "engine/core/float_environment.h"
#include "engine/models/encoder_fields.h"
#include "engine/models/read_parameters.h"
#include "weights/base/error.h"

namespace linnet {
namespace {

using enum EncoderField;

Dense dense_of(Layout& l, std::int64_t N, std::int64_t K) { return {l.mat(N, K), l.mat(1, N)}; }
Norm norm_of(Layout& l, std::int64_t D) { return {l.mat(1, D), l.mat(1, D)}; }

// Part i of three: the rows of q, k or v.
Mat<float> third(const Dense& qkv, std::int64_t i, bool bias) {
  const std::int64_t A = qkv.weight.rows / 3;
  return bias ? qkv.bias.slice_cols(i * A, (i + 1) * A) : qkv.weight.slice_rows(i * A, (i + 1) * A);
}

Mat<float> place_in_layer(const EncoderLayerParameters& p, EncoderField field) {
  switch (field) {
    case kQuery:
    case kQueryBias:
      return third(p.qkv, 0, field == kQueryBias);
    case kKey:
    case kKeyBias:
      return third(p.qkv, 1, field == kKeyBias);
    case kValue:
    case kValueBias:
      return third(p.qkv, 2, field == kValueBias);
    case kAttentionOutput:
      return p.attention_output.weight;
    case kAttentionOutputBias:
      return p.attention_output.bias;
    case kAttentionNorm:
      return p.attention_norm.gamma;
    case kAttentionNormBias:
      return p.attention_norm.beta;
    case kIntermediate:
      return p.intermediate.weight;
    case kIntermediateBias:
      return p.intermediate.bias;
    case kOutput:
      return p.output.weight;
    case kOutputBias:
      return p.output.bias;
    case kOutputNorm:
      return p.output_norm.gamma;
    case kOutputNormBias:
      return p.output_norm.beta;
    default:
      return {};
  }
}

Mat<float> place_of(const EncoderParameters& p, EncoderField field, std::int64_t layer) {
  switch (field) {
    case kWordEmbeddings:
      return p.word;
    case kPositionEmbeddings:
      return p.position;
    case kTypeEmbeddings:
      return p.type;
    case kEmbeddingNorm:
      return p.embedding_norm.gamma;
    case kEmbeddingNormBias:
      return p.embedding_norm.beta;
    case kPooler:
      return p.pooler.weight;
    case kPoolerBias:
      return p.pooler.bias;
    case kClassifier:
    case kSpan:
      return p.classifier.weight;
    case kClassifierBias:
    case kSpanBias:
      return p.classifier.bias;
    case kTransform:
      return p.transform.weight;
    case kTransformBias:
      return p.transform.bias;
    case kTransformNorm:
      return p.transform_norm.gamma;
    case kTransformNormBias:
      return p.transform_norm.beta;
    case kDecoder:
      return p.decoder.weight;
    case kDecoderBias:
    case kPredictionBias:
      return p.decoder.bias;
    case kSeqRelationship:
      return p.seq_relationship.weight;
    case kSeqRelationshipBias:
      return p.seq_relationship.bias;
    default:
      return place_in_layer(p.layers[static_cast<std::size_t>(layer)], field);
  }
}

bool is_gamma(EncoderField field) {
  return field == kEmbeddingNorm || field == kAttentionNorm || field == kOutputNorm ||
         field == kTransformNorm;
}

struct HeadOf {
  const weights::TensorRule& rule;
  EncoderField field() const { return static_cast<EncoderField>(rule.field); }
  bool is_new_possible() const {
    return rule.scope == weights::Scope::kHead || field() == kPooler || field() == kPoolerBias;
  }
};

// Among embeddings, blocks and head.
std::int64_t layer_of(const HeadOf& what, std::int64_t layers) {
  switch (what.field()) {
    case kWordEmbeddings:
    case kPositionEmbeddings:
    case kTypeEmbeddings:
    case kEmbeddingNorm:
    case kEmbeddingNormBias:
      return 0;
    default:
      return what.is_new_possible() ? layers + 1 : what.rule.layer + 1;
  }
}

// Two names for one bias: the one that the file has, else transformers' own.
bool is_second_bias_name(const std::vector<weights::TensorRule>& rules, const weights::NameMap& map,
                         std::size_t i) {
  if (rules[i].field != static_cast<std::int32_t>(kDecoderBias)) return false;
  for (const weights::TensorRule& rule : rules) {
    if (rule.field != static_cast<std::int32_t>(kPredictionBias)) continue;
    if (rule.presence != weights::Presence::kUnused) return map.tensors[i] == nullptr;
  }
  return false;
}

TiedDecoder tie_of(const EncoderDescription& d, const weights::NameMap& map) {
  for (std::size_t i = 0; i < d.rules.size(); ++i) {
    const weights::TensorRule& rule = d.rules[i];
    if (rule.field != static_cast<std::int32_t>(kDecoder)) continue;
    if (rule.presence == weights::Presence::kUnused) continue;
    return map.ties[i] == weights::Tie::kDifferent ? TiedDecoder::kNo : TiedDecoder::kYes;
  }
  return TiedDecoder::kNo;
}

}  // namespace

EncoderParameters::EncoderParameters(Layout& l, const EncoderDescription& d, TiedDecoder tied) {
  const EncoderConfig& c = d.config;
  word = l.mat(c.vocab_size, c.D);
  position = l.mat(c.positions, c.D);
  type = l.mat(c.token_types, c.D);
  embedding_norm = norm_of(l, c.D);
  for (const std::int64_t heads : c.heads) {
    const std::int64_t A = heads * c.head_width;
    EncoderLayerParameters& p = layers.emplace_back();
    p.qkv = dense_of(l, 3 * A, c.D);
    p.attention_output = dense_of(l, c.D, A);
    p.attention_norm = norm_of(l, c.D);
    p.intermediate = dense_of(l, c.F, c.D);
    p.output = dense_of(l, c.D, c.F);
    p.output_norm = norm_of(l, c.D);
  }
  for (const weights::TensorRule& rule : d.rules) {
    if (rule.presence == weights::Presence::kUnused) continue;
    const auto field = static_cast<EncoderField>(rule.field);
    if (field == kPooler) pooler = dense_of(l, rule.shape[0], rule.shape[1]);
    if (field == kClassifier || field == kSpan) {
      classifier = dense_of(l, rule.shape[0], rule.shape[1]);
    }
    if (field == kTransform) transform = dense_of(l, rule.shape[0], rule.shape[1]);
    if (field == kTransformNorm) transform_norm = norm_of(l, c.D);
    if (field == kDecoder) {
      decoder.weight = tied == TiedDecoder::kYes ? word : l.mat(c.vocab_size, c.D);
      decoder.bias = l.mat(1, c.vocab_size);
    }
    if (field == kSeqRelationship) seq_relationship = dense_of(l, rule.shape[0], rule.shape[1]);
  }
}

TrainableEncoder::TrainableEncoder(EncoderDescription what, TiedDecoder tie)
    : description(std::move(what)), tied(tie), parameters(description, tied) {}

TrainableEncoder load_trainable_encoder(const weights::Checkpoint& checkpoint,
                                        const LoadOptions& options,
                                        const TrainableOptions& trainable) {
  const FloatEnvironment environment;
  const bool initialise = trainable.new_head == NewHead::kInitialise;
  const bool scratch = trainable.start == Start::kScratch;
  const json::Value config = trainable.config.value_or(checkpoint.config());
  EncoderDescription d = describe_encoder(config, options.head);
  std::vector<weights::TensorRule> rules = d.rules;
  for (weights::TensorRule& rule : rules) {
    const bool needed = rule.presence == weights::Presence::kRequired;
    if (initialise && needed && HeadOf{rule}.is_new_possible()) {
      rule.presence = weights::Presence::kOptional;
    }
  }
  if (scratch && d.sinusoidal_positions) {
    throw Error(ErrorCode::kUnsupported,
                "config.json: sinusoidal_pos_embds is not supported in training from scratch");
  }
  const weights::NameMap map =
      map_parameters(checkpoint, rules, d.spelling, options.unexpected, trainable.start);
  const TiedDecoder tie = tie_of(d, map);
  TrainableEncoder t(std::move(d), tie);
  t.warnings = map.warnings;
  const double deviation = read_number(config, "initializer_range", 0.02);
  std::vector<ParameterPlace> places(rules.size());
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const weights::TensorRule& rule = rules[i];
    const auto field = static_cast<EncoderField>(rule.field);
    if (rule.presence == weights::Presence::kUnused) continue;
    if (field == kDecoder && t.tied == TiedDecoder::kYes) continue;
    if (is_second_bias_name(rules, map, i)) continue;
    places[i] = {.to = place_of(*t.parameters, field, rule.layer).data,
                 .may_be_new = scratch || (initialise && HeadOf{rule}.is_new_possible()),
                 .deviation = rule.decay ? deviation : 0,
                 .constant = is_gamma(field) ? 1.0f : 0.0f,
                 .layer = layer_of({rule}, t.config().layers())};
  }
  read_parameters(t, checkpoint, rules, map, t.description.spelling.prefixes.front(), places,
                  trainable.seed);
  if (scratch) {
    t.warnings.clear();  // that every tensor is new has been asked for
    const std::int64_t padding = t.description.common.pad_token_id;
    if (padding < t.config().vocab_size) {
      std::fill_n(t.parameters->word.row(padding), t.config().D, 0.0f);
    }
  }
  return t;
}

}  // namespace linnet
