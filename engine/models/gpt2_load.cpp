// Dimension key: E model width, I feed-forward width, V vocabulary, C labels.
#include <utility>

#include "engine/core/float_environment.h"
#include "engine/core/layout.h"
#include "engine/models/gpt2_model.h"
#include "engine/models/linear_units.h"
#include "engine/models/parameter_fill.h"
#include "weights/base/error.h"
#include "weights/base/text.h"

namespace linnet {
namespace {

using enum Gpt2Field;
struct BlockPlaces {
  NormPlace ln_1, ln_2;
  LinearPlace attn_c_attn, attn_c_proj, mlp_c_fc, mlp_c_proj;
};

// Where every parameter goes.
struct Places {
  Mat<float> wpe;
  float* word_scale = nullptr;
  std::vector<BlockPlaces> h;
  NormPlace ln_f;
  LinearPlace words, lm_head, classifier;

  // The vocabulary product is most of what a step reads: it has the layers' precision. The other
  // heads are small and stay in FP32.
  Places(Layout& l, const Gpt2Description& d, const kernels::KernelTable& kernels, LinearKind kind,
         PackedWeights packed_weights) {
    const Gpt2Config& c = d.config;
    const UnitPlacer units(d, kernels, kind, packed_weights);
    const std::int64_t E = c.n_embd;
    wpe = l.mat(c.n_positions, E);
    if (d.packed_words) word_scale = l.mat(1, c.vocab_size).data;
    for (std::int64_t i = 0; i < c.n_layer; ++i) {
      BlockPlaces& p = h.emplace_back();
      p.ln_1 = NormPlace(l, E);
      p.attn_c_attn = units.place(l, kPackedAttnC, i, 3 * E, E);
      p.attn_c_proj = units.place(l, kPackedAttnProj, i, E, E);
      p.ln_2 = NormPlace(l, E);
      p.mlp_c_fc = units.place(l, kPackedMlpFc, i, c.n_inner, E);
      p.mlp_c_proj = units.place(l, kPackedMlpProj, i, E, c.n_inner);
    }
    ln_f = NormPlace(l, E);
    const bool lm = d.head == HeadKind::kCausalLm;
    if (d.is_packed(kPackedWte) || (lm && d.tied)) {
      words = units.place(l, kPackedWte, 0, c.vocab_size, E);
    }
    if (lm && !d.tied) lm_head = units.place(l, kPackedLmHead, 0, c.vocab_size, E);
    const bool span = d.head == HeadKind::kQuestionAnswering;
    if (span || d.head == HeadKind::kSequenceClassification ||
        d.head == HeadKind::kTokenClassification) {
      const auto C = span ? 2 : static_cast<std::int64_t>(c.common.labels.size());
      classifier = LinearPlace(l, kernels, LinearKind::kFloat32, C, E);
    }
  }
};

void fill_blocks(Gpt2Model& m, const Gpt2Description& d, const Places& p, ParameterFiller& fill) {
  const auto eps = static_cast<float>(m.config.layer_norm_epsilon);
  const auto norm = [&](const NormPlace& place, Gpt2Field field, std::int64_t layer) {
    fill.norm(place, field, layer);
    return place.view(eps);
  };
  for (std::int64_t i = 0; i < m.config.n_layer; ++i) {
    const BlockPlaces& place = p.h[static_cast<std::size_t>(i)];
    Gpt2Block& block = m.weights.h.emplace_back();
    block.ln_1 = norm(place.ln_1, kLn1, i);
    block.attn_c_attn = fill.unit(d, place.attn_c_attn, kPackedAttnC, i);
    block.attn_c_proj = fill.unit(d, place.attn_c_proj, kPackedAttnProj, i);
    block.ln_2 = norm(place.ln_2, kLn2, i);
    block.mlp_c_fc = fill.unit(d, place.mlp_c_fc, kPackedMlpFc, i);
    block.mlp_c_proj = fill.unit(d, place.mlp_c_proj, kPackedMlpProj, i);
  }
  m.weights.ln_f = norm(p.ln_f, kLnF, 0);
}

// A matrix that is packed in the file serves both, the look-up and the product.
void fill_words(Gpt2Model& m, const Gpt2Description& d, const Places& p, ParameterFiller& fill) {
  fill.vector(p.wpe.data, kWpe);
  m.weights.embeddings.position = p.wpe;
  const bool lm = m.head_kind == HeadKind::kCausalLm;
  if (p.words.N > 0) {
    const Linear words = fill.unit(d, p.words, kPackedWte);
    if (d.is_packed(kPackedWte)) m.weights.embeddings.word_packed = words;
    if (lm) m.weights.lm_head = words;
  }
  if (lm && !d.tied) m.weights.lm_head = fill.unit(d, p.lm_head, kPackedLmHead);
  if (!d.is_packed(kPackedWte)) fill.words(d, m.weights.embeddings, p.word_scale, m.wte);
}

void fill_head(Gpt2Model& m, const Places& p, ParameterFiller& fill) {
  switch (m.head_kind) {
    case HeadKind::kSequenceClassification:
      m.weights.sequence_classifier = fill.linear(p.classifier, kScore, Bias::kNone);
      break;
    case HeadKind::kTokenClassification:
      m.weights.token_classifier = fill.linear(p.classifier, kClassifier);
      break;
    case HeadKind::kQuestionAnswering:
      m.weights.token_classifier = fill.linear(p.classifier, kSpan);
      break;
    default:
      break;
  }
}

// What is copied, and what is read from the mapped file.
void lock_parameters(const Gpt2Model& m) {
  const auto lock = [](const void* data, std::int64_t bytes) {
    lock_in_memory(data, bytes, "the model");
  };
  lock(m.parameters.data(), m.parameters.bytes());
  for (const Block& block : m.unaligned) lock(block.data(), block.bytes());
  const EmbeddingTables& words = m.weights.embeddings;
  lock(words.word.data, words.word.rows * words.word.cols * 4);
  lock(words.word_s8.data, words.word_s8.rows * words.word_s8.cols);
  const auto lock_layer = [&](const Linear& w) {
    if (w.kind != LinearKind::kInt8 && w.kind != LinearKind::kInt4) return;
    lock(w.packed, packed_bytes_integer(w.kind, w.N, w.K));
  };
  for (const Gpt2Block& block : m.weights.h) {
    for (const Linear* w :
         {&block.attn_c_attn, &block.attn_c_proj, &block.mlp_c_fc, &block.mlp_c_proj}) {
      lock_layer(*w);
    }
  }
  lock_layer(words.word_packed);
  lock_layer(m.weights.lm_head);
}

}  // namespace

bool is_gpt2(json::Value config) {
  const auto type = config.find_non_null("model_type");
  if (type) return type->string() == "gpt2";
  const auto architectures = config.find_non_null("architectures");
  return architectures && architectures->size() > 0 &&
         (*architectures->elements().begin()).string().starts_with("GPT2");
}

Gpt2Description describe_gpt2(json::Value config, std::optional<HeadKind> head) {
  Gpt2Description d;
  d.config = Gpt2Config::from_json(config);
  d.common = d.config.common;
  d.head = head.value_or(d.common.head);
  d.vocab_size = d.config.vocab_size;
  d.positions = d.config.n_positions;
  d.layers = d.config.n_layer;
  d.width = d.config.n_embd;
  d.rules = gpt2_tensors(d.config, d.head);
  d.spelling = gpt2_spelling();
  d.layer_units = {{kPackedAttnC, {kAttnC}},
                   {kPackedAttnProj, {kAttnProj}},
                   {kPackedMlpFc, {kMlpFc}},
                   {kPackedMlpProj, {kMlpProj}}};
  d.words = kWte;
  d.words_scale = kWteScale;
  d.tied_unit = {kPackedWte, {kWte}, Bias::kNone};
  d.vocabulary_unit = {kPackedLmHead, {kLmHead}, Bias::kNone};
  d.tied = d.head == HeadKind::kCausalLm && d.common.tie_word_embeddings;
  return d;
}

Gpt2Description describe_gpt2(const weights::Checkpoint& checkpoint, std::optional<HeadKind> head) {
  Gpt2Description d = describe_gpt2(checkpoint.config(), head);
  const auto quantization = read_quantized_layers(d, checkpoint);
  const auto words = d.packed.find({kPackedWte, 0});
  if (words != d.packed.end() && words->second.factors) {
    throw Error(ErrorCode::kUnsupported,
                checkpoint.directory().name() +
                    ": linnet.json has input factors for \"wte\", whose rows are looked up too");
  }
  if (quantization && quantization->attention != "f32") {
    throw Error(ErrorCode::kUnsupported,
                checkpoint.directory().name() + ": linnet.json has attention in " +
                    quote(quantization->attention) + ", a gpt2 has it in \"f32\" only");
  }
  return d;
}

std::int64_t parameter_bytes(const Gpt2Description& description,
                             const kernels::KernelTable& kernels, Precision precision,
                             PackedWeights packed_weights) {
  Layout layout;
  const Places places(layout, description, kernels, linear_kind(precision), packed_weights);
  return layout.bytes();
}

Gpt2Model load_gpt2(weights::Checkpoint checkpoint, const LoadOptions& options) {
  const FloatEnvironment environment;
  if (options.backend != Backend::kLinnet) {
    throw Error(ErrorCode::kUnsupported, "gpt2: the oneDNN backend is not supported");
  }
  Gpt2Description d = describe_gpt2(checkpoint, options.head);
  const bool quantized = d.is_quantized();
  if (quantized) check_options_of_quantized(checkpoint, options);
  weights::NameMap map = weights::map_names(checkpoint, d.rules, d.spelling, options.unexpected);
  warn_of_rounding(map);
  note_own_vocabulary_weights(d, map);
  const ModelTensors tensors(d, map.tensors);

  Gpt2Model m{.checkpoint = std::move(checkpoint),
              .config = d.config,
              .head_kind = d.head,
              .kernels = kernels::make_table(options.isa),
              .precision = quantized ? Precision::kInt8 : options.precision,
              .weights = {},
              .parameters = {},
              .wte = {},
              .unaligned = {},
              .account = std::move(map.account),
              .warnings = std::move(map.warnings)};
  m.parameters = Block(parameter_bytes(d, m.kernels, options.precision, options.packed_weights));
  Layout layout(m.parameters.data());
  const Places places(layout, d, m.kernels, linear_kind(options.precision), options.packed_weights);
  OneDnnLayers none;
  ParameterFiller fill({m.checkpoint, m.kernels, none, m.unaligned}, tensors, options);
  // The words first: the file's pages of them stand beside the packed ones for a while, and nothing
  // else is in memory yet.
  fill_words(m, d, places, fill);
  fill_blocks(m, d, places, fill);
  fill_head(m, places, fill);
  if (options.lock_in_memory) lock_parameters(m);
  return m;
}

}  // namespace linnet
