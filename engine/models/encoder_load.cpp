// Dimension key: D model width, A heads · head width, F feed-forward width, V vocabulary, C labels.
#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "engine/core/float_environment.h"
#include "engine/core/layout.h"
#include "engine/core/math.h"
#include "engine/models/bert_config.h"
#include "engine/models/distilbert_config.h"
#include "engine/models/linear_units.h"
#include "engine/models/parameter_fill.h"
#include "weights/base/error.h"
#include "weights/base/text.h"
#include "weights/number_formats.h"

namespace linnet {
namespace {

using enum EncoderField;
using weights::TensorView;

struct LayerPlaces {
  LinearPlace qkv, attention_output, intermediate, output;
  NormPlace attention_norm, output_norm;
};

// Where every parameter goes.
struct Places {
  Mat<float> positions, types;
  float* word_scale = nullptr;
  NormPlace embedding_norm;
  std::vector<LayerPlaces> layers;
  LinearPlace pooler, classifier, transform, decoder, seq_relationship;
  NormPlace transform_norm;

  // Heads are small and decide the answer: they stay in FP32.
  Places(Layout& l, const EncoderDescription& d, const kernels::KernelTable& kernels,
         LinearKind kind, PackedWeights packed_weights) {
    const EncoderConfig& c = d.config;
    const UnitPlacer units(d, kernels, kind, packed_weights);
    if (d.packed_words) word_scale = l.mat(1, c.vocab_size).data;
    positions = l.mat(c.positions, c.D);
    types = l.mat(c.token_types, c.D);
    embedding_norm = NormPlace(l, c.D);
    for (std::int64_t i = 0; i < c.layers(); ++i) {
      const std::int64_t A = c.heads[static_cast<std::size_t>(i)] * c.head_width;
      LayerPlaces& p = layers.emplace_back();
      p.qkv = units.place(l, kPackedQkv, i, 3 * A, c.D);
      p.attention_output = units.place(l, kPackedAttentionOutput, i, c.D, A);
      p.attention_norm = NormPlace(l, c.D);
      p.intermediate = units.place(l, kPackedIntermediate, i, c.F, c.D);
      p.output = units.place(l, kPackedOutput, i, c.D, c.F);
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

void fill_embeddings(EncoderModel& m, const EncoderDescription& d, const Places& p,
                     const ModelTensors& tensors, ParameterFiller& fill) {
  if (d.sinusoidal_positions && tensors.find(kPositionEmbeddings) == nullptr) {
    fill_sinusoidal(p.positions);
  }
  fill.vector(p.positions.data, kPositionEmbeddings);
  fill.vector(p.types.data, kTypeEmbeddings);
  fill.norm(p.embedding_norm, kEmbeddingNorm);
  fill.words(d, m.weights.embeddings, p.word_scale, m.word_embeddings);
  m.weights.embeddings.position = p.positions;
  if (d.config.token_types > 0) m.weights.embeddings.type = p.types;
  m.weights.embedding_norm = p.embedding_norm.view(d.config.layer_norm_eps);
}

void fill_layers(EncoderModel& m, const EncoderDescription& d, const Places& p,
                 ParameterFiller& fill) {
  for (std::int64_t i = 0; i < m.config.layers(); ++i) {
    const LayerPlaces& place = p.layers[static_cast<std::size_t>(i)];
    const Linear qkv = fill.unit(d, place.qkv, kPackedQkv, i);
    const Linear attention_output = fill.unit(d, place.attention_output, kPackedAttentionOutput, i);
    fill.norm(place.attention_norm, kAttentionNorm, i);
    const Linear intermediate = fill.unit(d, place.intermediate, kPackedIntermediate, i);
    const Linear output = fill.unit(d, place.output, kPackedOutput, i);
    fill.norm(place.output_norm, kOutputNorm, i);
    const float eps = m.config.layer_norm_eps;
    m.weights.layers.push_back({qkv, attention_output, place.attention_norm.view(eps), intermediate,
                                output, place.output_norm.view(eps)});
  }
}

// The floats [V, D] that the INT8 rows of the word embeddings stand for.
Block dequantized_rows(const EmbeddingTables& tables) {
  const Mat<const std::int8_t>& q = tables.word_s8;
  Block block(q.rows * q.cols * static_cast<std::int64_t>(sizeof(float)));
  auto* to = reinterpret_cast<float*>(block.data());
  for (std::int64_t v = 0; v < q.rows; ++v) {
    for (std::int64_t k = 0; k < q.cols; ++k) {
      *to++ = static_cast<float>(q.row(v)[k]) * tables.word_scale[v];
    }
  }
  return block;
}

// The bias of the vocabulary head under its own name, or under its older one.
void fill_decoder(const EncoderModel& m, const Places& p, const ModelTensors& tensors,
                  ParameterFiller& fill) {
  const TensorView* decoder = tensors.find(kDecoder);
  const TensorView& source = decoder != nullptr ? *decoder : *tensors.find(kWordEmbeddings);
  if (decoder != nullptr) fill.check_finite(*decoder);
  if (source.dtype == weights::DType::kI8) {
    const Block words = dequantized_rows(m.weights.embeddings);
    TensorView floats = source;
    floats.dtype = weights::DType::kF32;
    floats.bytes = {words.data(), 4 * source.bytes.size()};
    pack_linear(m.kernels, fill.threads(), p.decoder, std::array{floats});
  } else {
    pack_linear(m.kernels, fill.threads(), p.decoder, std::array{source});
  }
  const bool own = tensors.find(kDecoderBias) != nullptr;
  if (!own && tensors.find(kPredictionBias) == nullptr) {
    throw Error(ErrorCode::kFormat,
                m.checkpoint.directory().name() + ": the bias of the vocabulary head is missing");
  }
  fill.vector(p.decoder.bias, own ? kDecoderBias : kPredictionBias);
}

void fill_head(EncoderModel& m, const Places& p, const ModelTensors& tensors,
               ParameterFiller& fill) {
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

// What is copied, and what is read from the mapped file.
void lock_parameters(const EncoderModel& m) {
  const auto lock = [](const void* data, std::int64_t bytes) {
    lock_in_memory(data, bytes, "the model");
  };
  lock(m.parameters.data(), m.parameters.bytes());
  lock(m.word_embeddings.data(), m.word_embeddings.bytes());
  for (const Block& block : m.unaligned) lock(block.data(), block.bytes());
  const EmbeddingTables& words = m.weights.embeddings;
  lock(words.word.data, words.word.rows * words.word.cols * 4);
  lock(words.word_s8.data, words.word_s8.rows * words.word_s8.cols);
  for (const EncoderLayer& layer : m.weights.layers) {
    for (const Linear* w :
         {&layer.qkv, &layer.attention_output, &layer.intermediate, &layer.output}) {
      if (w->kind == LinearKind::kInt8) lock(w->packed, packed_bytes_s8(w->N, w->K));
    }
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
  d.vocab_size = d.config.vocab_size;
  d.positions = d.config.positions;
  d.layers = d.config.layers();
  d.width = d.config.D;
  d.layer_units = {{kPackedQkv, {kQuery, kKey, kValue}},
                   {kPackedAttentionOutput, {kAttentionOutput}},
                   {kPackedIntermediate, {kIntermediate}},
                   {kPackedOutput, {kOutput}}};
  d.words = kWordEmbeddings;
  d.words_scale = kWordEmbeddingsScale;
  return d;
}

std::int64_t parameter_bytes(const EncoderDescription& description,
                             const kernels::KernelTable& kernels, Precision precision,
                             Backend backend, PackedWeights packed_weights) {
  Layout layout;
  Places places(layout, description, kernels, linear_kind(precision, backend), packed_weights);
  return layout.bytes();
}

EncoderDescription describe_encoder(const weights::Checkpoint& checkpoint,
                                    std::optional<HeadKind> head) {
  EncoderDescription d = describe_encoder(checkpoint.config(), head);
  const auto quantization = read_quantized_layers(d, checkpoint);
  if (quantization && quantization->attention == "i8") {
    check_int8_attention(d.config);
    d.config.attention = AttentionKind::kInt8;
  }
  return d;
}

EncoderModel load_encoder(weights::Checkpoint checkpoint, const LoadOptions& options) {
  const FloatEnvironment environment;
  const EncoderDescription d = describe_encoder(checkpoint, options.head);
  const bool quantized = d.is_quantized();
  if (quantized) check_options_of_quantized(checkpoint, options);
  weights::NameMap map = weights::map_names(checkpoint, d.rules, d.spelling, options.unexpected);
  warn_of_rounding(map);
  const ModelTensors tensors(d, map.tensors);

  EncoderModel m{.checkpoint = std::move(checkpoint),
                 .common = d.common,
                 .config = d.config,
                 .head_kind = d.head,
                 .kernels = kernels::make_table(options.isa),
                 .precision = quantized ? Precision::kInt8 : options.precision,
                 .backend = options.backend,
                 .onednn = {},
                 .weights = {},
                 .head = {},
                 .parameters = {},
                 .word_embeddings = {},
                 .unaligned = {},
                 .account = std::move(map.account),
                 .warnings = std::move(map.warnings)};
  if (m.backend == Backend::kOneDnn) m.onednn.plugin = onednn::Plugin::open();
  m.parameters =
      Block(parameter_bytes(d, m.kernels, options.precision, m.backend, options.packed_weights));
  Layout layout(m.parameters.data());
  const Places places(layout, d, m.kernels, linear_kind(options.precision, m.backend),
                      options.packed_weights);
  ParameterFiller fill({m.checkpoint, m.kernels, m.onednn, m.unaligned}, tensors, options);
  fill_layers(m, d, places, fill);
  fill_embeddings(m, d, places, tensors, fill);
  fill_head(m, places, tensors, fill);
  if (options.lock_in_memory) lock_parameters(m);
  return m;
}

}  // namespace linnet
