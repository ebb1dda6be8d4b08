// Shapes: E model width, I feed-forward width, V vocabulary, P positions, C labels.
#include "engine/models/gpt2_config.h"

#include <cmath>
#include <string>
#include <utility>

#include "engine/models/activation.h"
#include "weights/base/error.h"
#include "weights/base/text.h"

namespace linnet {
namespace {

using enum Gpt2Field;
using weights::Presence;

std::optional<std::int64_t> read_token(json::Value config, std::string_view name) {
  const auto value = config.find_non_null(name);
  if (!value) return std::nullopt;
  return value->integer(0, kMaxVocabulary);
}

void validate(json::Value config, const Gpt2Config& c) {
  switch (c.common.head) {
    case HeadKind::kBase:
    case HeadKind::kCausalLm:
    case HeadKind::kSequenceClassification:
    case HeadKind::kTokenClassification:
    case HeadKind::kQuestionAnswering:
      break;
    default:
      throw Error(ErrorCode::kUnsupported, std::string("config.json: a gpt2 with the head ") +
                                               name(c.common.head) + " is not supported");
  }
  if (c.n_embd % c.n_head != 0) {
    config.fail("n_embd " + std::to_string(c.n_embd) + " is no multiple of n_head " +
                std::to_string(c.n_head));
  }
  if (!(c.layer_norm_epsilon > 0) || !std::isfinite(c.layer_norm_epsilon)) {
    config.fail("layer_norm_epsilon must be above 0");
  }
  if (!c.common.pruned_heads.empty()) {
    throw Error(ErrorCode::kUnsupported, "config.json: pruned heads of a gpt2 are not supported");
  }
}

// Builds the table; the names of a layer stand under its prefix.
struct Table {
  std::vector<weights::TensorRule> rules;
  std::string prefix = {};
  std::int32_t layer = 0;
  weights::Scope scope = weights::Scope::kBase;

  weights::TensorRule& add(Gpt2Field field, std::string_view name, std::vector<std::int64_t> shape,
                           Presence presence = Presence::kRequired) {
    weights::TensorRule& rule = rules.emplace_back();
    rule.name = prefix + std::string(name);
    rule.decay = shape.size() > 1;
    rule.shape = std::move(shape);
    rule.presence = presence;
    rule.scope = scope;
    rule.field = static_cast<std::int32_t>(field);
    rule.layer = layer;
    return rule;
  }
  void bias(Gpt2Field weight, std::string_view name, std::int64_t n,
            Presence presence = Presence::kRequired) {
    add(static_cast<Gpt2Field>(static_cast<std::int32_t>(weight) + 1), name, {n}, presence);
  }
  void norm(Gpt2Field field, const std::string& name, std::int64_t E) {
    add(field, name + ".weight", {E});
    bias(field, name + ".bias", E);
  }
  // Stored [in, out]: the transpose of all other linear layers.
  void conv1d(Gpt2Field field, const std::string& name, std::int64_t in, std::int64_t out) {
    add(field, name + ".weight", {in, out}).conv1d = true;
    bias(field, name + ".bias", out);
  }
};

}  // namespace

float Gpt2Config::attention_scale(std::int64_t layer) const {
  double scale = scale_attn_weights ? 1 / std::sqrt(static_cast<double>(head_width())) : 1;
  if (scale_attn_by_inverse_layer_idx) scale /= static_cast<double>(layer + 1);
  return static_cast<float>(scale);
}

Gpt2Config Gpt2Config::from_json(json::Value config) {
  Gpt2Config c;
  c.common = read_common_config(config);
  c.vocab_size = read_integer(config, {"vocab_size"}, c.vocab_size, 1, kMaxVocabulary);
  c.n_positions = read_integer(config, {"n_positions", "max_position_embeddings"}, c.n_positions, 1,
                               kMaxPositions);
  c.n_embd = read_integer(config, {"n_embd", "hidden_size"}, c.n_embd, 1, kMaxWidth);
  c.n_layer = read_integer(config, {"n_layer", "num_hidden_layers"}, c.n_layer, 1, kMaxLayers);
  c.n_head = read_integer(config, {"n_head", "num_attention_heads"}, c.n_head, 1, kMaxHeads);
  c.n_inner = read_integer(config, {"n_inner"}, 4 * c.n_embd, 1, 4 * kMaxWidth);
  c.activation_function = read_activation(config, "activation_function", c.activation_function);
  c.layer_norm_epsilon = read_number(config, "layer_norm_epsilon", c.layer_norm_epsilon);
  c.scale_attn_weights = read_boolean(config, "scale_attn_weights", true);
  c.scale_attn_by_inverse_layer_idx =
      read_boolean(config, "scale_attn_by_inverse_layer_idx", false);
  c.pad_token_id = read_token(config, "pad_token_id");
  c.bos_token_id = read_token(config, "bos_token_id");
  c.eos_token_id = read_token(config, "eos_token_id");
  validate(config, c);
  return c;
}

weights::NameSpelling gpt2_spelling() { return {"wte.weight", {"transformer.", "", "model."}, {}}; }

std::vector<weights::TensorRule> gpt2_tensors(const Gpt2Config& c, HeadKind head) {
  const std::int64_t E = c.n_embd, V = c.vocab_size;
  const auto C = static_cast<std::int64_t>(c.common.labels.size());
  Table t{{}};
  t.add(kWte, "wte.weight", {V, E});
  t.add(kWpe, "wpe.weight", {c.n_positions, E});
  for (std::int64_t i = 0; i < c.n_layer; ++i) {
    t.layer = static_cast<std::int32_t>(i);
    t.prefix = "h." + std::to_string(i) + ".";
    t.norm(kLn1, "ln_1", E);
    t.conv1d(kAttnC, "attn.c_attn", E, 3 * E);
    t.conv1d(kAttnProj, "attn.c_proj", E, E);
    t.norm(kLn2, "ln_2", E);
    t.conv1d(kMlpFc, "mlp.c_fc", E, c.n_inner);
    t.conv1d(kMlpProj, "mlp.c_proj", c.n_inner, E);
  }
  t.layer = 0;
  t.prefix = "";
  t.norm(kLnF, "ln_f", E);

  t.scope = weights::Scope::kHead;
  const auto when = [](bool needed) { return needed ? Presence::kRequired : Presence::kUnused; };
  const bool lm = head == HeadKind::kCausalLm;
  // A file without it has the embedding for it, unless the config says that they differ.
  const bool tied = c.common.tie_word_embeddings;
  const Presence present = tied ? Presence::kOptional : Presence::kRequired;
  t.add(kLmHead, "lm_head.weight", {V, E}, lm ? present : Presence::kUnused).tied_to =
      tied ? "wte.weight" : "";
  t.add(kScore, "score.weight", {C, E}, when(head == HeadKind::kSequenceClassification));
  const Presence tokens = when(head == HeadKind::kTokenClassification);
  t.add(kClassifier, "classifier.weight", {C, E}, tokens);
  t.bias(kClassifier, "classifier.bias", C, tokens);
  const Presence spans = when(head == HeadKind::kQuestionAnswering);
  t.add(kSpan, "qa_outputs.weight", {2, E}, spans);
  t.bias(kSpan, "qa_outputs.bias", 2, spans);
  return std::move(t.rules);
}

}  // namespace linnet
