// Dimension key: D model width, A heads · head width, F feed-forward width, V vocabulary, C labels.
#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <map>
#include <utility>

#include "engine/core/float_environment.h"
#include "engine/core/layout.h"
#include "engine/core/math.h"
#include "engine/models/bert_config.h"
#include "engine/models/distilbert_config.h"
#include "engine/models/encoder_fields.h"
#include "engine/models/encoder_model.h"
#include "engine/models/pack_linear.h"
#include "weights/base/error.h"
#include "weights/base/text.h"
#include "weights/number_formats.h"

namespace linnet {
namespace {

using enum EncoderField;
using weights::TensorView;

// The tensors of one checkpoint by field and layer; null where the rule has none.
class Tensors {
 public:
  Tensors(const EncoderDescription& description, const std::vector<const TensorView*>& found) {
    for (std::size_t i = 0; i < found.size(); ++i) {
      const weights::TensorRule& rule = description.rules[i];
      if (rule.presence == weights::Presence::kUnused) continue;
      by_field_[{rule.field, rule.layer}] = found[i];
    }
  }
  const TensorView* find(EncoderField field, std::int64_t layer = 0) const {
    const auto it =
        by_field_.find({static_cast<std::int32_t>(field), static_cast<std::int32_t>(layer)});
    return it == by_field_.end() ? nullptr : it->second;
  }

 private:
  std::map<std::pair<std::int32_t, std::int32_t>, const TensorView*> by_field_;
};

struct NormPlace {
  float* gamma = nullptr;
  float* beta = nullptr;
  NormPlace() = default;
  NormPlace(Layout& l, std::int64_t D) : gamma(l.mat(1, D).data), beta(l.mat(1, D).data) {}
  LayerNorm view(float eps) const { return {gamma, beta, eps}; }
};

struct LayerPlaces {
  LinearPlace qkv, attention_output, intermediate, output;
  NormPlace attention_norm, output_norm;
};

// Where every parameter goes.
struct Places {
  Mat<float> positions, types;
  NormPlace embedding_norm;
  std::vector<LayerPlaces> layers;
  LinearPlace pooler, classifier, transform, decoder, seq_relationship;
  NormPlace transform_norm;

  // Heads are small and decide the answer: they stay in FP32.
  Places(Layout& l, const EncoderDescription& d, const kernels::KernelTable& kernels,
         LinearKind kind) {
    const EncoderConfig& c = d.config;
    positions = l.mat(c.positions, c.D);
    types = l.mat(c.token_types, c.D);
    embedding_norm = NormPlace(l, c.D);
    for (const std::int64_t heads : c.heads) {
      const std::int64_t A = heads * c.head_width;
      LayerPlaces& p = layers.emplace_back();
      p.qkv = LinearPlace(l, kernels, kind, 3 * A, c.D);
      p.attention_output = LinearPlace(l, kernels, kind, c.D, A);
      p.attention_norm = NormPlace(l, c.D);
      p.intermediate = LinearPlace(l, kernels, kind, c.F, c.D);
      p.output = LinearPlace(l, kernels, kind, c.D, c.F);
      p.output_norm = NormPlace(l, c.D);
    }
    for (const weights::TensorRule& rule : d.rules) {
      if (rule.presence == weights::Presence::kUnused) continue;
      const auto linear = [&](LinearPlace& place) {
        place = LinearPlace(l, kernels, LinearKind::kFloat32, rule.shape[0], rule.shape[1]);
      };
      switch (static_cast<EncoderField>(rule.field)) {
        case kPooler:
          linear(pooler);
          break;
        case kClassifier:
        case kSpan:
          linear(classifier);
          break;
        case kTransform:
          linear(transform);
          transform_norm = NormPlace(l, c.D);
          break;
        case kDecoder:
          linear(decoder);
          break;
        case kSeqRelationship:
          linear(seq_relationship);
          break;
        default:
          break;
      }
    }
  }
};

// Copies and packs tensors into their places.
class Filler {
 public:
  Filler(EncoderModel& model, const Tensors& tensors, const LoadOptions& options)
      : checkpoint_(model.checkpoint),
        tensors_(tensors),
        kernels_(model.kernels),
        onednn_(model.onednn),
        non_finite_(options.non_finite),
        threads_(options.threads) {}

  void vector(float* to, EncoderField field, std::int64_t layer = 0) {
    const TensorView* tensor = tensors_.find(field, layer);
    if (tensor == nullptr) return;
    check_finite(*tensor);
    weights::to_f32(to, tensor->bytes.data(), tensor->dtype, tensor->elements());
  }
  void norm(const NormPlace& place, EncoderField field, std::int64_t layer = 0) {
    vector(place.gamma, field, layer);
    vector(place.beta, bias_of(field), layer);
  }
  Linear linear(const LinearPlace& place, EncoderField field, std::int64_t layer = 0) {
    return stacked(place, std::array{field}, layer);
  }
  // One product from several matrices, one below the other: q | k | v.
  Linear stacked(const LinearPlace& place, std::span<const EncoderField> fields,
                 std::int64_t layer) {
    std::vector<TensorView> parts;
    std::int64_t row = 0;
    for (const EncoderField field : fields) {
      const TensorView& tensor = *tensors_.find(field, layer);
      check_finite(tensor);
      vector(place.bias + row, bias_of(field), layer);
      row += tensor.shape[0];
      parts.push_back(tensor);
    }
    Linear packed = place.view();
    if (is_onednn(place.kind)) {
      packed = pack_in_onednn(onednn_, threads_, place, parts);
    } else {
      pack_linear(kernels_, threads_, place, parts);
    }
    for (const TensorView& part : parts) checkpoint_.release(part);
    return packed;
  }

  void check_finite(const TensorView& tensor) {
    if (non_finite_ == NonFinite::kAllow) return;
    const auto size = static_cast<std::int64_t>(weights::bits(tensor.dtype) / 8);
    std::atomic<std::int64_t> found{-1};
    parallel_for(threads_, tensor.elements(), 1 << 18,
                 [&](std::int64_t begin, std::int64_t end, int) {
                   const std::int64_t at = weights::first_not_finite(
                       tensor.bytes.data() + begin * size, tensor.dtype, end - begin);
                   if (at >= 0) found = begin + at;
                 });
    if (found >= 0) {
      throw Error(ErrorCode::kNumeric, checkpoint_.directory().name() + ": tensor " +
                                           quote(tensor.name) + ": element " +
                                           std::to_string(found) + " is not finite");
    }
  }
  Threads& threads() { return threads_; }

 private:
  const weights::Checkpoint& checkpoint_;
  const Tensors& tensors_;
  const kernels::KernelTable& kernels_;
  OneDnnLayers& onednn_;
  NonFinite non_finite_;
  Threads threads_;
};

// The table of "Attention Is All You Need", section 3.5: sin at even, cos at odd columns.
void fill_sinusoidal(Mat<float> table) {
  for (std::int64_t p = 0; p < table.rows; ++p) {
    for (std::int64_t j = 0; j < table.cols; ++j) {
      const double exponent = static_cast<double>(2 * (j / 2)) / static_cast<double>(table.cols);
      const double angle = static_cast<double>(p) / math::exp(exponent * math::log(10000));
      table.row(p)[j] = static_cast<float>(j % 2 == 0 ? math::sin(angle) : math::cos(angle));
    }
  }
}

// Word embeddings are read row by row: from the file itself where it holds aligned floats, else
// from a copy.
Mat<const float> word_table(const TensorView& tensor, Block& copy) {
  const std::int64_t rows = tensor.shape[0], cols = tensor.shape[1];
  const bool aligned = std::bit_cast<std::uintptr_t>(tensor.bytes.data()) % alignof(float) == 0;
  if (tensor.dtype == weights::DType::kF32 && aligned) {
    return {reinterpret_cast<const float*>(tensor.bytes.data()), rows, cols, cols};
  }
  copy = Block(rows * cols * static_cast<std::int64_t>(sizeof(float)));
  auto* floats = reinterpret_cast<float*>(copy.data());
  weights::to_f32(floats, tensor.bytes.data(), tensor.dtype, rows * cols);
  return {floats, rows, cols, cols};
}

void fill_embeddings(EncoderModel& m, const EncoderDescription& d, const Places& p,
                     const Tensors& tensors, Filler& fill) {
  const TensorView& words = *tensors.find(kWordEmbeddings);
  fill.check_finite(words);
  if (d.sinusoidal_positions && tensors.find(kPositionEmbeddings) == nullptr) {
    fill_sinusoidal(p.positions);
  }
  fill.vector(p.positions.data, kPositionEmbeddings);
  fill.vector(p.types.data, kTypeEmbeddings);
  fill.norm(p.embedding_norm, kEmbeddingNorm);
  m.weights.embeddings.word = word_table(words, m.word_embeddings);
  m.weights.embeddings.position = p.positions;
  if (d.config.token_types > 0) m.weights.embeddings.type = p.types;
  m.weights.embedding_norm = p.embedding_norm.view(d.config.layer_norm_eps);
  m.checkpoint.release(words);
}

void fill_layers(EncoderModel& m, const Places& p, Filler& fill) {
  for (std::int64_t i = 0; i < m.config.layers(); ++i) {
    const LayerPlaces& place = p.layers[static_cast<std::size_t>(i)];
    const Linear qkv = fill.stacked(place.qkv, std::array{kQuery, kKey, kValue}, i);
    const Linear attention_output = fill.linear(place.attention_output, kAttentionOutput, i);
    fill.norm(place.attention_norm, kAttentionNorm, i);
    const Linear intermediate = fill.linear(place.intermediate, kIntermediate, i);
    const Linear output = fill.linear(place.output, kOutput, i);
    fill.norm(place.output_norm, kOutputNorm, i);
    const float eps = m.config.layer_norm_eps;
    m.weights.layers.push_back({qkv, attention_output, place.attention_norm.view(eps), intermediate,
                                output, place.output_norm.view(eps)});
  }
}

// The bias of the vocabulary head under its own name, or under its older one.
void fill_decoder(const EncoderModel& m, const Places& p, const Tensors& tensors, Filler& fill) {
  const TensorView* decoder = tensors.find(kDecoder);
  const TensorView& source = decoder != nullptr ? *decoder : *tensors.find(kWordEmbeddings);
  if (decoder != nullptr) fill.check_finite(*decoder);
  pack_linear(m.kernels, fill.threads(), p.decoder, std::array{source});
  const bool own = tensors.find(kDecoderBias) != nullptr;
  if (!own && tensors.find(kPredictionBias) == nullptr) {
    throw Error(ErrorCode::kFormat,
                m.checkpoint.directory().name() + ": the bias of the vocabulary head is missing");
  }
  fill.vector(p.decoder.bias, own ? kDecoderBias : kPredictionBias);
}

void fill_head(EncoderModel& m, const Places& p, const Tensors& tensors, Filler& fill) {
  const bool bert = m.common.model_type == "bert";
  m.head.pooler_activation = bert ? kernels::Activation::kTanh : kernels::Activation::kRelu;
  if ((tensors.find(kPooler) == nullptr) != (tensors.find(kPoolerBias) == nullptr)) {
    throw Error(ErrorCode::kFormat,
                m.checkpoint.directory().name() + ": the pooler has only one of weight and bias");
  }
  if (tensors.find(kPooler) != nullptr) {
    fill.linear(p.pooler, kPooler);
    m.head.pooler = p.pooler.view();
  }
  if (p.classifier.packed != nullptr) {
    const bool span = m.head_kind == HeadKind::kQuestionAnswering;
    fill.linear(p.classifier, span ? kSpan : kClassifier);
    const bool tokens = span || m.head_kind == HeadKind::kTokenClassification;
    (tokens ? m.head.token_classifier : m.head.sequence_classifier) = p.classifier.view();
  }
  if (p.seq_relationship.packed != nullptr) {
    fill.linear(p.seq_relationship, kSeqRelationship);
    m.head.sequence_classifier = p.seq_relationship.view();
  }
  if (p.decoder.packed != nullptr) {
    fill.linear(p.transform, kTransform);
    fill.norm(p.transform_norm, kTransformNorm);
    fill_decoder(m, p, tensors, fill);
    m.head.transform = p.transform.view();
    m.head.transform_norm = p.transform_norm.view(m.config.layer_norm_eps);
    m.head.decoder = p.decoder.view();
  }
}

}  // namespace

EncoderDescription describe_encoder(json::Value config, std::optional<HeadKind> head) {
  EncoderDescription d;
  d.common = read_common_config(config);
  d.head = head.value_or(d.common.head);
  if (d.common.model_type == "bert") {
    const BertConfig c = BertConfig::from_json(config);
    d.config = c.encoder();
    d.rules = bert_tensors(c, d.head);
    d.spelling = bert_spelling();
  } else if (d.common.model_type == "distilbert") {
    const DistilBertConfig c = DistilBertConfig::from_json(config);
    d.config = c.encoder();
    d.rules = distilbert_tensors(c, d.head);
    d.spelling = distilbert_spelling();
    d.sinusoidal_positions = c.sinusoidal_pos_embds;
  } else {
    throw Error(ErrorCode::kUnsupported, "config.json: model_type " + quote(d.common.model_type) +
                                             ", expected \"bert\" or \"distilbert\"");
  }
  return d;
}

std::int64_t parameter_bytes(const EncoderDescription& description,
                             const kernels::KernelTable& kernels, Precision precision,
                             Backend backend) {
  Layout layout;
  Places places(layout, description, kernels, linear_kind(precision, backend));
  return layout.bytes();
}

EncoderModel load_encoder(weights::Checkpoint checkpoint, const LoadOptions& options) {
  const FloatEnvironment environment;
  EncoderDescription d = describe_encoder(checkpoint.config(), options.head);
  weights::NameMap map = weights::map_names(checkpoint, d.rules, d.spelling, options.unexpected);
  warn_of_rounding(map);
  const Tensors tensors(d, map.tensors);

  EncoderModel m{.checkpoint = std::move(checkpoint),
                 .common = d.common,
                 .config = d.config,
                 .head_kind = d.head,
                 .kernels = kernels::make_table(options.isa),
                 .precision = options.precision,
                 .backend = options.backend,
                 .onednn = {},
                 .weights = {},
                 .head = {},
                 .parameters = {},
                 .word_embeddings = {},
                 .account = std::move(map.account),
                 .warnings = std::move(map.warnings)};
  if (m.backend == Backend::kOneDnn) {
    if (m.precision == Precision::kInt8) {
      throw Error(ErrorCode::kUnsupported,
                  "oneDNN backend: a model in INT8 is computed by linnet only");
    }
    m.onednn.plugin = onednn::Plugin::open();
  }
  m.parameters = Block(parameter_bytes(d, m.kernels, m.precision, m.backend));
  Layout layout(m.parameters.data());
  const Places places(layout, d, m.kernels, linear_kind(m.precision, m.backend));
  Filler fill(m, tensors, options);
  fill_layers(m, places, fill);
  fill_head(m, places, tensors, fill);
  fill_embeddings(m, d, places, tensors, fill);
  return m;
}

}  // namespace linnet
