// Dimension key: D model width, A heads · head width, F feed-forward width, V vocabulary, C labels.
#include "engine/models/encoder_parameters.h"

#include <algorithm>
#include <cmath>

#include "engine/core/float_environment.h"
#include "engine/core/math.h"
#include "engine/core/random.h"
#include "engine/models/encoder_fields.h"
#include "weights/base/error.h"
#include "weights/base/text.h"
#include "weights/number_formats.h"

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

bool is_gamma(EncoderField field) { return field == kTransformNorm; }

// N(0, deviation²) by Box and Muller's transform of counter-based numbers.
void fill_normal(float* to, std::int64_t n, double deviation, std::uint64_t seed,
                 std::uint32_t tensor) {
  constexpr double kTwoPi = 6.283185307179586;
  const std::uint32_t stream = random_stream(RandomPurpose::kInitialisation, 0, 0);
  for (std::int64_t i = 0; i < n; i += 2) {
    const auto words = philox({static_cast<std::uint32_t>(i / 2), tensor, 0, stream}, seed);
    const double u = (static_cast<double>(words[0]) + 1) * 0x1p-32;  // in (0, 1]
    const double radius = deviation * std::sqrt(-2 * math::log(u));
    const double angle = kTwoPi * (static_cast<double>(words[1]) * 0x1p-32);
    to[i] = static_cast<float>(radius * math::cos(angle));
    if (i + 1 < n) to[i + 1] = static_cast<float>(radius * math::sin(angle));
  }
}

struct HeadOf {
  const weights::TensorRule& rule;
  EncoderField field() const { return static_cast<EncoderField>(rule.field); }
  bool is_new_possible() const {
    return rule.scope == weights::Scope::kHead || field() == kPooler || field() == kPoolerBias;
  }
};

void read(const weights::Checkpoint& checkpoint, float* to, const weights::TensorView& tensor) {
  const std::int64_t bad =
      weights::first_not_finite(tensor.bytes.data(), tensor.dtype, tensor.elements());
  if (bad >= 0) {
    throw Error(ErrorCode::kNumeric, checkpoint.directory().name() + ": tensor " +
                                         quote(tensor.name) + ": element " + std::to_string(bad) +
                                         " is not finite");
  }
  weights::to_f32(to, tensor.bytes.data(), tensor.dtype, tensor.elements());
  checkpoint.release(tensor);
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

std::int64_t NamedParameter::elements() const {
  std::int64_t n = 1;
  for (const std::int64_t size : shape) n *= size;
  return n;
}

TrainableEncoder::TrainableEncoder(EncoderDescription what, TiedDecoder tie)
    : description(std::move(what)), tied(tie), parameters(description, tied) {}

TrainableEncoder load_trainable_encoder(const weights::Checkpoint& checkpoint,
                                        const LoadOptions& options,
                                        const TrainableOptions& trainable) {
  const FloatEnvironment environment;
  const bool initialise = trainable.new_head == NewHead::kInitialise;
  const json::Value config = trainable.config.value_or(checkpoint.config());
  EncoderDescription d = describe_encoder(config, options.head);
  std::vector<weights::TensorRule> rules = d.rules;
  for (weights::TensorRule& rule : rules) {
    const bool needed = rule.presence == weights::Presence::kRequired;
    if (initialise && needed && HeadOf{rule}.is_new_possible()) {
      rule.presence = weights::Presence::kOptional;
    }
  }
  weights::NameMap map = weights::map_names(checkpoint, rules, d.spelling, options.unexpected);
  const TiedDecoder tie = tie_of(d, map);
  TrainableEncoder t(std::move(d), tie);
  t.warnings = std::move(map.warnings);
  const double deviation = read_number(config, "initializer_range", 0.02);
  auto* const base = reinterpret_cast<const float*>(t.parameters->word.data);
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const weights::TensorRule& rule = rules[i];
    const auto field = static_cast<EncoderField>(rule.field);
    if (rule.presence == weights::Presence::kUnused) continue;
    if (field == kDecoder && t.tied == TiedDecoder::kYes) continue;
    if (is_second_bias_name(rules, map, i)) continue;
    const Mat<float> place = place_of(*t.parameters, field, rule.layer);
    NamedParameter named;
    named.canonical = (rule.scope == weights::Scope::kBase ? t.description.spelling.prefixes.front()
                                                           : std::string()) +
                      rule.name;
    named.name = map.tensors[i] != nullptr ? std::string(map.tensors[i]->name) : named.canonical;
    named.shape = rule.shape;
    named.decay = rule.decay;
    named.offset = place.data - base;
    const auto is_same = [&](const NamedParameter& p) { return p.offset == named.offset; };
    if (std::any_of(t.tensors.begin(), t.tensors.end(), is_same)) continue;
    if (map.tensors[i] != nullptr) {
      read(checkpoint, place.data, *map.tensors[i]);
    } else if (initialise && HeadOf{rule}.is_new_possible()) {
      t.warnings.push_back("tensor " + quote(rule.name) + " is new");
      if (is_gamma(field)) std::fill_n(place.data, named.elements(), 1.0f);
      if (rule.decay) {
        fill_normal(place.data, named.elements(), deviation, trainable.seed,
                    static_cast<std::uint32_t>(i));
      }
    } else {
      throw Error(ErrorCode::kFormat,
                  checkpoint.directory().name() + ": tensor " + quote(rule.name) + " is missing");
    }
    t.tensors.push_back(std::move(named));
  }
  return t;
}

}  // namespace linnet
