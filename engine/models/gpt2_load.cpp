// Dimension key: E model width, I feed-forward width, V vocabulary, C labels.
#include <array>
#include <atomic>
#include <bit>
#include <map>
#include <utility>

#include "engine/core/float_environment.h"
#include "engine/core/layout.h"
#include "engine/models/gpt2_model.h"
#include "engine/models/pack_conv1d.h"
#include "weights/base/error.h"
#include "weights/base/text.h"
#include "weights/number_formats.h"

namespace linnet {
namespace {

using enum Gpt2Field;
using weights::TensorView;

struct NormPlace {
  float* gamma = nullptr;
  float* beta = nullptr;
  NormPlace() = default;
  NormPlace(Layout& l, std::int64_t E) : gamma(l.mat(1, E).data), beta(l.mat(1, E).data) {}
  LayerNorm view(double eps) const { return {gamma, beta, static_cast<float>(eps)}; }
};

struct BlockPlaces {
  NormPlace ln_1, ln_2;
  LinearPlace attn_c_attn, attn_c_proj, mlp_c_fc, mlp_c_proj;
};

// Where every parameter goes.
struct Places {
  Mat<float> wpe;
  std::vector<BlockPlaces> h;
  NormPlace ln_f;
  LinearPlace lm_head, classifier;

  // The vocabulary product is most of what a step reads: it has the layers' precision. The other
  // heads are small and stay in FP32.
  Places(Layout& l, const Gpt2Config& c, HeadKind head, const kernels::KernelTable& kernels,
         LinearKind kind) {
    const std::int64_t E = c.n_embd;
    wpe = l.mat(c.n_positions, E);
    for (std::int64_t i = 0; i < c.n_layer; ++i) {
      BlockPlaces& p = h.emplace_back();
      p.ln_1 = NormPlace(l, E);
      p.attn_c_attn = LinearPlace(l, kernels, kind, 3 * E, E);
      p.attn_c_proj = LinearPlace(l, kernels, kind, E, E);
      p.ln_2 = NormPlace(l, E);
      p.mlp_c_fc = LinearPlace(l, kernels, kind, c.n_inner, E);
      p.mlp_c_proj = LinearPlace(l, kernels, kind, E, c.n_inner);
    }
    ln_f = NormPlace(l, E);
    if (head == HeadKind::kCausalLm) lm_head = LinearPlace(l, kernels, kind, c.vocab_size, E);
    const bool span = head == HeadKind::kQuestionAnswering;
    if (span || head == HeadKind::kSequenceClassification ||
        head == HeadKind::kTokenClassification) {
      const auto C = span ? 2 : static_cast<std::int64_t>(c.common.labels.size());
      classifier = LinearPlace(l, kernels, LinearKind::kFloat32, C, E);
    }
  }
};

// Copies and packs tensors into their places.
class Filler {
 public:
  Filler(const Gpt2Model& model, const weights::NameMap& map,
         const std::vector<weights::TensorRule>& rules, const LoadOptions& options)
      : checkpoint_(model.checkpoint),
        kernels_(model.kernels),
        non_finite_(options.non_finite),
        threads_(options.threads) {
    for (std::size_t i = 0; i < rules.size(); ++i) {
      if (rules[i].presence == weights::Presence::kUnused) continue;
      by_field_[{rules[i].field, rules[i].layer}] = map.tensors[i];
    }
  }

  /// The tensor, which is finite; null where a tied or optional one is absent.
  const TensorView* tensor(Gpt2Field field, std::int64_t layer = 0) {
    const TensorView* found =
        by_field_.at({static_cast<std::int32_t>(field), static_cast<std::int32_t>(layer)});
    if (found != nullptr) check_finite(*found);
    return found;
  }
  void vector(float* to, Gpt2Field field, std::int64_t layer = 0) {
    const TensorView& from = *tensor(field, layer);
    weights::to_f32(to, from.bytes.data(), from.dtype, from.elements());
  }
  LayerNorm norm(const NormPlace& place, double eps, Gpt2Field field, std::int64_t layer = 0) {
    vector(place.gamma, field, layer);
    vector(place.beta, bias_of(field), layer);
    return place.view(eps);
  }
  /// A layer that is stored [in, out], and its bias.
  Linear conv1d(const LinearPlace& place, Gpt2Field field, std::int64_t layer) {
    const TensorView& from = *tensor(field, layer);
    vector(place.bias, bias_of(field), layer);
    pack_conv1d(kernels_, threads_, place, from);
    checkpoint_.release(from);
    return place.view();
  }
  /// A layer that is stored [out, in], without bias.
  Linear linear(const LinearPlace& place, const TensorView& from) {
    pack_linear(kernels_, threads_, place, std::array{from});
    Linear packed = place.view();
    packed.bias = nullptr;
    return packed;
  }
  static Gpt2Field bias_of(Gpt2Field weight) {
    return static_cast<Gpt2Field>(static_cast<std::int32_t>(weight) + 1);
  }

 private:
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

  const weights::Checkpoint& checkpoint_;
  const kernels::KernelTable& kernels_;
  NonFinite non_finite_;
  Threads threads_;
  std::map<std::pair<std::int32_t, std::int32_t>, const TensorView*> by_field_;
};

// Embeddings are read row by row: from the file itself where it holds aligned floats, else from a
// copy.
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

void fill_blocks(Gpt2Model& m, const Places& p, Filler& fill) {
  const double eps = m.config.layer_norm_epsilon;
  for (std::int64_t i = 0; i < m.config.n_layer; ++i) {
    const BlockPlaces& place = p.h[static_cast<std::size_t>(i)];
    Gpt2Block& block = m.weights.h.emplace_back();
    block.ln_1 = fill.norm(place.ln_1, eps, kLn1, i);
    block.attn_c_attn = fill.conv1d(place.attn_c_attn, kAttnC, i);
    block.attn_c_proj = fill.conv1d(place.attn_c_proj, kAttnProj, i);
    block.ln_2 = fill.norm(place.ln_2, eps, kLn2, i);
    block.mlp_c_fc = fill.conv1d(place.mlp_c_fc, kMlpFc, i);
    block.mlp_c_proj = fill.conv1d(place.mlp_c_proj, kMlpProj, i);
  }
  m.weights.ln_f = fill.norm(p.ln_f, eps, kLnF);
}

void fill_head(Gpt2Model& m, const Places& p, Filler& fill) {
  switch (m.head_kind) {
    case HeadKind::kCausalLm: {
      const TensorView* own = fill.tensor(kLmHead);
      m.weights.lm_head = fill.linear(p.lm_head, own != nullptr ? *own : *fill.tensor(kWte));
      if (own != nullptr) m.checkpoint.release(*own);
      break;
    }
    case HeadKind::kSequenceClassification:
      m.weights.sequence_classifier = fill.linear(p.classifier, *fill.tensor(kScore));
      break;
    case HeadKind::kTokenClassification:
    case HeadKind::kQuestionAnswering: {
      const bool span = m.head_kind == HeadKind::kQuestionAnswering;
      const Gpt2Field field = span ? kSpan : kClassifier;
      fill.vector(p.classifier.bias, Filler::bias_of(field));
      m.weights.token_classifier = fill.linear(p.classifier, *fill.tensor(field));
      m.weights.token_classifier.bias = p.classifier.bias;
      break;
    }
    default:
      break;
  }
}

// What is copied, and the embeddings that are read from the mapped file.
void lock_parameters(const Gpt2Model& m) {
  const Mat<const float>& words = m.weights.embeddings.word;
  lock_in_memory(m.parameters.data(), m.parameters.bytes(), "the model");
  lock_in_memory(words.data, words.rows * words.cols * 4, "the model");
}

void refuse_what_is_not_here(const LoadOptions& options) {
  if (options.backend != Backend::kLinnet) {
    throw Error(ErrorCode::kUnsupported, "gpt2: the oneDNN backend is not supported");
  }
  if (options.precision == Precision::kInt8) {
    throw Error(ErrorCode::kUnsupported, "gpt2: INT8 is not supported");
  }
}

}  // namespace

bool is_gpt2(json::Value config) {
  const auto type = config.find_non_null("model_type");
  if (type) return type->string() == "gpt2";
  const auto architectures = config.find_non_null("architectures");
  return architectures && architectures->size() > 0 &&
         (*architectures->elements().begin()).string().starts_with("GPT2");
}

Gpt2Model load_gpt2(weights::Checkpoint checkpoint, const LoadOptions& options) {
  const FloatEnvironment environment;
  refuse_what_is_not_here(options);
  const Gpt2Config c = Gpt2Config::from_json(checkpoint.config());
  const HeadKind head = options.head.value_or(c.common.head);
  const std::vector<weights::TensorRule> rules = gpt2_tensors(c, head);
  weights::NameMap map = weights::map_names(checkpoint, rules, gpt2_spelling(), options.unexpected);
  warn_of_rounding(map);

  Gpt2Model m{.checkpoint = std::move(checkpoint),
              .config = c,
              .head_kind = head,
              .kernels = kernels::make_table(options.isa),
              .precision = options.precision,
              .weights = {},
              .parameters = {},
              .wte = {},
              .account = std::move(map.account),
              .warnings = std::move(map.warnings)};
  Layout counter;
  const Places counted(counter, c, head, m.kernels, m.linear_kind());
  m.parameters = Block(counter.bytes());
  Layout layout(m.parameters.data());
  const Places places(layout, c, head, m.kernels, m.linear_kind());
  Filler fill(m, map, rules, options);
  fill_blocks(m, places, fill);
  fill_head(m, places, fill);
  fill.vector(places.wpe.data, kWpe);
  const TensorView& words = *fill.tensor(kWte);
  m.weights.embeddings.word = word_table(words, m.wte);
  m.weights.embeddings.position = places.wpe;
  m.checkpoint.release(words);
  if (options.lock_in_memory) lock_parameters(m);
  return m;
}

}  // namespace linnet
