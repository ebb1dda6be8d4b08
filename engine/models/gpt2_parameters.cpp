// Dimension key: E model width, I feed-forward width, V vocabulary, C labels.
#include "engine/models/gpt2_parameters.h"

#include <cmath>
#include <string>

#include "engine/core/float_environment.h"
#include "engine/models/read_parameters.h"
#include "weights/base/error.h"

namespace linnet {
namespace {

using enum Gpt2Field;

Norm norm_of(Layout& l, std::int64_t E) { return {l.mat(1, E), l.mat(1, E)}; }
Dense conv1d_of(Layout& l, std::int64_t in, std::int64_t out) {
  return {l.mat(in, out), l.mat(1, out)};
}

Mat<float> place_in_block(const Gpt2BlockParameters& p, Gpt2Field field) {
  switch (field) {
    case kLn1:
      return p.ln_1.gamma;
    case kLn1Bias:
      return p.ln_1.beta;
    case kAttnC:
      return p.attn_c_attn.weight;
    case kAttnCBias:
      return p.attn_c_attn.bias;
    case kAttnProj:
      return p.attn_c_proj.weight;
    case kAttnProjBias:
      return p.attn_c_proj.bias;
    case kLn2:
      return p.ln_2.gamma;
    case kLn2Bias:
      return p.ln_2.beta;
    case kMlpFc:
      return p.mlp_c_fc.weight;
    case kMlpFcBias:
      return p.mlp_c_fc.bias;
    case kMlpProj:
      return p.mlp_c_proj.weight;
    case kMlpProjBias:
      return p.mlp_c_proj.bias;
    default:
      return {};
  }
}

Mat<float> place_of(const Gpt2Parameters& p, Gpt2Field field, std::int64_t layer) {
  switch (field) {
    case kWte:
      return p.wte;
    case kWpe:
      return p.wpe;
    case kLnF:
      return p.ln_f.gamma;
    case kLnFBias:
      return p.ln_f.beta;
    case kLmHead:
    case kScore:
    case kClassifier:
    case kSpan:
      return p.head.weight;
    case kClassifierBias:
    case kSpanBias:
      return p.head.bias;
    default:
      return place_in_block(p.h[static_cast<std::size_t>(layer)], field);
  }
}

// Among embeddings, blocks, and what stands on them; ln_f counts to the last block.
std::int64_t layer_of(const weights::TensorRule& rule, std::int64_t layers) {
  if (rule.scope == weights::Scope::kHead) return layers + 1;
  switch (static_cast<Gpt2Field>(rule.field)) {
    case kWte:
    case kWpe:
      return 0;
    case kLnF:
    case kLnFBias:
      return layers;
    default:
      return rule.layer + 1;
  }
}

bool is_gamma(Gpt2Field field) { return field == kLn1 || field == kLn2 || field == kLnF; }

// New weights that end on the residual stream are smaller, so that it keeps its size over 2·L sums.
double share_of(Gpt2Field field, std::int64_t layers) {
  const bool ends = field == kAttnProj || field == kMlpProj;
  return ends ? 1 / std::sqrt(2 * static_cast<double>(layers)) : 1;
}

TiedHead tie_of(const std::vector<weights::TensorRule>& rules, const weights::NameMap& map) {
  for (std::size_t i = 0; i < rules.size(); ++i) {
    if (rules[i].field != static_cast<std::int32_t>(kLmHead)) continue;
    const bool own = rules[i].tied_to.empty() || map.ties[i] == weights::Tie::kDifferent;
    return own ? TiedHead::kNo : TiedHead::kYes;
  }
  return TiedHead::kNo;
}

}  // namespace

Gpt2Parameters::Gpt2Parameters(Layout& l, const Gpt2Config& c, HeadKind kind, TiedHead tied) {
  const std::int64_t E = c.n_embd;
  wte = l.mat(c.vocab_size, E);
  wpe = l.mat(c.n_positions, E);
  for (std::int64_t i = 0; i < c.n_layer; ++i) {
    Gpt2BlockParameters& p = h.emplace_back();
    p.ln_1 = norm_of(l, E);
    p.attn_c_attn = conv1d_of(l, E, 3 * E);
    p.attn_c_proj = conv1d_of(l, E, E);
    p.ln_2 = norm_of(l, E);
    p.mlp_c_fc = conv1d_of(l, E, c.n_inner);
    p.mlp_c_proj = conv1d_of(l, c.n_inner, E);
  }
  ln_f = norm_of(l, E);
  if (kind == HeadKind::kCausalLm && tied == TiedHead::kYes) {
    head.weight = wte;
    return;
  }
  const std::int64_t C = gpt2_classes(c, kind);
  head.weight = l.mat(C, E);
  const bool tokens =
      kind == HeadKind::kTokenClassification || kind == HeadKind::kQuestionAnswering;
  if (tokens) head.bias = l.mat(1, C);
}

TrainableGpt2::TrainableGpt2(const Gpt2Config& c, HeadKind kind, TiedHead tie)
    : config(c), head(kind), tied(tie), parameters(config, head, tied) {}

LabelCounts TrainableGpt2::check_targets(const Batch& batch, const TrainingTargets& targets) const {
  return linnet::check_targets(head, gpt2_classes(config, head), batch, targets);
}

DropoutProbabilities TrainableGpt2::dropout(json::Value json) const {
  DropoutProbabilities p;
  p.embeddings = read_probability(json, "embd_pdrop", 0.1);
  p.hidden = read_probability(json, "resid_pdrop", 0.1);
  p.attention = read_probability(json, "attn_pdrop", 0.1);
  if (head == HeadKind::kTokenClassification) {
    const double otherwise = read_probability(json, "hidden_dropout", 0.1);
    p.classifier = read_probability(json, "classifier_dropout", otherwise);
  }
  return p;
}

std::int64_t gpt2_classes(const Gpt2Config& c, HeadKind head) {
  switch (head) {
    case HeadKind::kCausalLm:
      return c.vocab_size;
    case HeadKind::kSequenceClassification:
    case HeadKind::kTokenClassification:
      return static_cast<std::int64_t>(c.common.labels.size());
    case HeadKind::kQuestionAnswering:
      return 2;
    default:
      throw Error(ErrorCode::kUnsupported,
                  std::string("training: a gpt2 with the head \"") + name(head) + "\" has no loss");
  }
}

TrainableGpt2 load_trainable_gpt2(const weights::Checkpoint& checkpoint, const LoadOptions& options,
                                  const TrainableOptions& trainable) {
  const FloatEnvironment environment;
  const bool initialise = trainable.new_head == NewHead::kInitialise;
  const bool scratch = trainable.start == Start::kScratch;
  const json::Value json = trainable.config.value_or(checkpoint.config());
  const Gpt2Config c = Gpt2Config::from_json(json);
  const HeadKind head = options.head.value_or(c.common.head);
  std::vector<weights::TensorRule> rules = gpt2_tensors(c, head);
  for (weights::TensorRule& rule : rules) {
    const bool needed = rule.presence == weights::Presence::kRequired;
    if (initialise && needed && rule.scope == weights::Scope::kHead) {
      rule.presence = weights::Presence::kOptional;
    }
  }
  const weights::NameSpelling spelling = gpt2_spelling();
  const weights::NameMap map =
      map_parameters(checkpoint, rules, spelling, options.unexpected, trainable.start);
  TrainableGpt2 t(c, head, tie_of(rules, map));
  t.warnings = map.warnings;
  const double deviation = read_number(json, "initializer_range", 0.02);
  std::vector<ParameterPlace> places(rules.size());
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const weights::TensorRule& rule = rules[i];
    const auto field = static_cast<Gpt2Field>(rule.field);
    if (rule.presence == weights::Presence::kUnused) continue;
    if (field == kLmHead && t.tied == TiedHead::kYes) continue;
    places[i] = {.to = place_of(*t.parameters, field, rule.layer).data,
                 .may_be_new = scratch || (initialise && rule.scope == weights::Scope::kHead),
                 .deviation = rule.decay ? deviation * share_of(field, c.n_layer) : 0,
                 .constant = is_gamma(field) ? 1.0f : 0.0f,
                 .layer = layer_of(rule, c.n_layer)};
  }
  read_parameters(t, checkpoint, rules, map, spelling.prefixes.front(), places, trainable.seed);
  if (scratch) t.warnings.clear();  // that every tensor is new has been asked for
  return t;
}

}  // namespace linnet
