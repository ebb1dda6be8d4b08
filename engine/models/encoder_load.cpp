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
#include "engine/models/encoder_fill.h"
#include "engine/models/linear_units.h"
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
    const auto layer_linear = [&](EncoderField packed, std::int64_t layer, std::int64_t N,
                                  std::int64_t K) {
      const auto at = d.packed.find({packed, layer});
      return at == d.packed.end() ? LinearPlace(l, kernels, kind, N, K)
                                  : place_of_packed(l, at->second, packed_weights, N, K);
    };
    if (d.packed_words) word_scale = l.mat(1, c.vocab_size).data;
    positions = l.mat(c.positions, c.D);
    types = l.mat(c.token_types, c.D);
    embedding_norm = NormPlace(l, c.D);
    for (std::int64_t i = 0; i < c.layers(); ++i) {
      const std::int64_t A = c.heads[static_cast<std::size_t>(i)] * c.head_width;
      LayerPlaces& p = layers.emplace_back();
      p.qkv = layer_linear(kPackedQkv, i, 3 * A, c.D);
      p.attention_output = layer_linear(kPackedAttentionOutput, i, c.D, A);
      p.attention_norm = NormPlace(l, c.D);
      p.intermediate = layer_linear(kPackedIntermediate, i, c.F, c.D);
      p.output = layer_linear(kPackedOutput, i, c.D, c.F);
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
                     const EncoderTensors& tensors, EncoderFiller& fill) {
  const TensorView& words = *tensors.find(kWordEmbeddings);
  fill.check_finite(words);
  if (d.sinusoidal_positions && tensors.find(kPositionEmbeddings) == nullptr) {
    fill_sinusoidal(p.positions);
  }
  fill.vector(p.positions.data, kPositionEmbeddings);
  fill.vector(p.types.data, kTypeEmbeddings);
  fill.norm(p.embedding_norm, kEmbeddingNorm);
  if (d.packed_words) {
    m.weights.embeddings.word_s8 = {reinterpret_cast<const std::int8_t*>(words.bytes.data()),
                                    words.shape[0], words.shape[1], words.shape[1]};
    fill.row_scales(p.word_scale);
    m.weights.embeddings.word_scale = p.word_scale;
  } else {
    m.weights.embeddings.word = word_table(words, m.word_embeddings);
  }
  m.weights.embeddings.position = p.positions;
  if (d.config.token_types > 0) m.weights.embeddings.type = p.types;
  m.weights.embedding_norm = p.embedding_norm.view(d.config.layer_norm_eps);
  m.checkpoint.release(words);
}

void fill_layers(EncoderModel& m, const EncoderDescription& d, const Places& p,
                 EncoderFiller& fill) {
  const auto linear = [&](const LinearPlace& place, EncoderField packed,
                          std::span<const EncoderField> fields, std::int64_t layer) {
    return d.packed.contains({packed, layer}) ? fill.packed(place, packed, fields, layer)
                                              : fill.stacked(place, fields, layer);
  };
  for (std::int64_t i = 0; i < m.config.layers(); ++i) {
    const LayerPlaces& place = p.layers[static_cast<std::size_t>(i)];
    const Linear qkv = linear(place.qkv, kPackedQkv, std::array{kQuery, kKey, kValue}, i);
    const Linear attention_output =
        linear(place.attention_output, kPackedAttentionOutput, std::array{kAttentionOutput}, i);
    fill.norm(place.attention_norm, kAttentionNorm, i);
    const Linear intermediate =
        linear(place.intermediate, kPackedIntermediate, std::array{kIntermediate}, i);
    const Linear output = linear(place.output, kPackedOutput, std::array{kOutput}, i);
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
void fill_decoder(const EncoderModel& m, const Places& p, const EncoderTensors& tensors,
                  EncoderFiller& fill) {
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

void fill_head(EncoderModel& m, const Places& p, const EncoderTensors& tensors,
               EncoderFiller& fill) {
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

// A weight that is in the file as floats although linnet.json has it in INT8: which one counts?
void refuse_both(const weights::Checkpoint& checkpoint, const weights::Manifest& manifest) {
  for (const auto& [name, tensor] : manifest.tensors) {
    if (tensor.kept != weights::Kept::kQuantized) continue;
    const TensorView* found = checkpoint.find(name);
    if (found == nullptr || !weights::is_float(found->dtype)) continue;
    throw Error(ErrorCode::kFormat, checkpoint.directory().name() + ": tensor " + quote(name) +
                                        " is there as " + weights::name(found->dtype) +
                                        ", and in INT8 as part of layer " + quote(tensor.layer));
  }
}

// The number formats of a quantised model are those of its file.
void check_options_of_quantized(const weights::Checkpoint& checkpoint, const LoadOptions& options) {
  const auto refuse = [&](const char* what) {
    throw Error(ErrorCode::kInvalidArgument,
                checkpoint.directory().name() + ": is quantised already: " + what);
  };
  if (options.precision == Precision::kInt8) refuse("its own INT8 is used, ask for no other");
  if (options.precision == Precision::kBfloat16) refuse("there is no BF16 in it");
  if (options.backend == Backend::kOneDnn) refuse("its layers are computed by linnet only");
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
                             Backend backend, PackedWeights packed_weights) {
  Layout layout;
  Places places(layout, description, kernels, linear_kind(precision, backend), packed_weights);
  return layout.bytes();
}

EncoderDescription describe_encoder(const weights::Checkpoint& checkpoint,
                                    std::optional<HeadKind> head) {
  EncoderDescription d = describe_encoder(checkpoint.config(), head);
  const auto manifest = weights::read_manifest(checkpoint.directory());
  if (manifest && manifest->quantization) {
    apply_quantized_layers(d, *manifest);
    refuse_both(checkpoint, *manifest);
    if (manifest->quantization->attention == "i8") {
      check_int8_attention(d.config);
      d.config.attention = AttentionKind::kInt8;
    }
  }
  return d;
}

EncoderModel load_encoder(weights::Checkpoint checkpoint, const LoadOptions& options) {
  const FloatEnvironment environment;
  const EncoderDescription d = describe_encoder(checkpoint, options.head);
  const bool quantized = d.packed_words || !d.packed.empty();
  if (quantized) check_options_of_quantized(checkpoint, options);
  weights::NameMap map = weights::map_names(checkpoint, d.rules, d.spelling, options.unexpected);
  warn_of_rounding(map);
  const EncoderTensors tensors(d, map.tensors);

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
  EncoderFiller fill(m, tensors, options);
  fill_layers(m, d, places, fill);
  fill_embeddings(m, d, places, tensors, fill);
  fill_head(m, places, tensors, fill);
  if (options.lock_in_memory) lock_parameters(m);
  return m;
}

}  // namespace linnet
