#include "engine/models/linear_units.h"

#include <algorithm>
#include <array>
#include <set>
#include <span>

#include "weights/base/error.h"
#include "weights/base/text.h"
#include "weights/number_formats.h"

namespace linnet {
namespace {

constexpr std::string_view kWeight = ".weight";

std::string without_weight(const std::string& name) {
  return name.substr(0, name.size() - kWeight.size());
}

std::size_t rule_index(const ModelDescription& d, FieldId field, std::int64_t layer) {
  std::size_t i = 0;
  while (d.rules[i].field != field.value || d.rules[i].layer != layer) ++i;
  return i;
}

LinearUnit unit_of(const ModelDescription& d, const UnitKind& kind, std::int64_t layer) {
  LinearUnit unit;
  unit.packed = kind.packed;
  unit.layer = static_cast<std::int32_t>(layer);
  for (const FieldId field : kind.weights) {
    unit.rules.push_back(rule_index(d, field, layer));
    const weights::TensorRule& rule = d.rules[unit.rules.back()];
    unit.N += rule.shape[rule.conv1d ? 1 : 0];
    unit.K = rule.shape[rule.conv1d ? 0 : 1];
  }
  unit.name = without_weight(d.rules[unit.rules.front()].name);
  if (unit.rules.size() > 1) {  // query, key, value
    unit.name = unit.name.substr(0, unit.name.rfind('.') + 1) + "qkv";
  }
  return unit;
}

// A part of a packed layer, in place of the floats of `from`.
weights::TensorRule rule_of(const LinearUnit& unit, const weights::TensorRule& from,
                            const char* tail, FieldId field, std::vector<std::int64_t> shape,
                            weights::DType dtype) {
  weights::TensorRule rule;
  rule.name = unit.name + tail;
  rule.shape = std::move(shape);
  rule.presence = from.presence == weights::Presence::kUnused ? weights::Presence::kUnused
                                                              : weights::Presence::kRequired;
  rule.scope = from.scope;
  rule.decay = false;
  rule.field = field.value;
  rule.layer = unit.layer;
  rule.dtype = dtype;
  return rule;
}

// Under its name in the file, which may carry the prefix of the base model.
const weights::ManifestLayer* find_layer(const weights::Manifest& manifest,
                                         const ModelDescription& description,
                                         const std::string& name) {
  auto at = manifest.layers.find(name);
  if (at == manifest.layers.end()) {
    at = manifest.layers.find(description.spelling.prefixes.front() + name);
  }
  return at == manifest.layers.end() ? nullptr : &at->second;
}

[[noreturn]] void fail(const std::string& name, const std::string& what) {
  throw Error(ErrorCode::kFormat,
              std::string(weights::kManifestFile) + ": layer " + quote(name) + " " + what);
}

void check_layer(const ModelDescription& d, const LinearUnit& unit,
                 const weights::ManifestLayer& layer) {
  if (layer.format == weights::LayerFormat::kRows) fail(unit.name, "is i8_rows, not i8_packed");
  if (layer.format == weights::LayerFormat::kPacked4) {
    if (!d.vocabulary_unit) fail(unit.name, "is i4_packed, which a decoder alone may have");
    if (layer.K > kernels::kMaxKS4) {
      fail(unit.name, "has " + std::to_string(layer.K) + " inputs in 4 bits, expected at most " +
                          std::to_string(kernels::kMaxKS4));
    }
  }
  if (layer.N != unit.N || layer.K != unit.K) {
    fail(unit.name, "has shape " + weights::shape_text(std::array{layer.N, layer.K}) +
                        ", config.json says " + weights::shape_text(std::array{unit.N, unit.K}));
  }
  bool same = layer.of.size() == unit.rules.size();
  for (std::size_t i = 0; same && i < layer.of.size(); ++i) {
    const std::string& part = d.rules[unit.rules[i]].name;
    same = layer.of[i] == part || layer.of[i] == d.spelling.prefixes.front() + part;
  }
  if (!same || layer.transposed != d.rules[unit.rules.front()].conv1d) {
    fail(unit.name, "is made of other weights than this model's");
  }
}

void replace_by_packed(ModelDescription& d, const LinearUnit& unit,
                       const weights::ManifestLayer& layer) {
  using weights::DType;
  const weights::TensorRule from = d.rules[unit.rules.front()];
  const auto add = [&](const char* tail, FieldId field, std::int64_t n, DType dtype) {
    d.rules.push_back(rule_of(unit, from, tail, field, {n}, dtype));
  };
  const LinearKind kind =
      layer.format == weights::LayerFormat::kPacked4 ? LinearKind::kInt4 : LinearKind::kInt8;
  add(".weight", unit.packed, packed_bytes_integer(kind, unit.N, unit.K), DType::kI8);
  add(".weight_scale", scale_of(unit.packed), unit.N, DType::kF32);
  if (layer.factors) add(".input_factors", factors_of(unit.packed), unit.K, DType::kF32);
  PackedLayer& one = d.packed[{unit.packed, unit.layer}];
  one.kind = kind;
  one.transform.n = layer.n;
  one.transform.thirds = layer.thirds;
  one.transform.in_lane = layer.in_lane;
  one.factors = layer.factors;
}

void replace_by_rows(ModelDescription& d, const weights::ManifestLayer& layer) {
  weights::TensorRule& words = d.rules[word_embeddings_rule(d)];
  if (layer.N != words.shape[0] || layer.K != words.shape[1]) {
    fail(words.name, "is not i8_rows of shape " + weights::shape_text(words.shape));
  }
  words.dtype = weights::DType::kI8;
  weights::TensorRule scale;
  scale.name = words.name + "_scale";
  scale.shape = {words.shape[0]};
  scale.decay = false;
  scale.field = d.words_scale.value;
  scale.dtype = weights::DType::kF32;
  d.rules.push_back(std::move(scale));
  d.packed_words = true;
}

// Goes through the layers of a manifest, and counts them.
class Applier {
 public:
  Applier(ModelDescription& d, const weights::Manifest& manifest)
      : d_(d), manifest_(manifest), kept_fp32_(manifest.quantization->kept_fp32) {}

  void run() {
    words();
    for (const LinearUnit& one : linear_units(d_)) unit(one);
    for (auto i = replaced_.rbegin(); i != replaced_.rend(); ++i) {
      d_.rules.erase(d_.rules.begin() + static_cast<std::ptrdiff_t>(*i));
    }
    if (found_ != manifest_.layers.size()) {
      throw Error(ErrorCode::kFormat, std::string(weights::kManifestFile) + ": has " +
                                          std::to_string(manifest_.layers.size()) +
                                          " quantised layers, this model knows " +
                                          std::to_string(found_) + " of them");
    }
    if (found_kept_ != kept_fp32_.size()) {
      throw Error(ErrorCode::kFormat, std::string(weights::kManifestFile) +
                                          ": kept_fp32 names layers that this model does not have");
    }
  }

 private:
  bool is_kept(const std::string& name) const {
    return std::find(kept_fp32_.begin(), kept_fp32_.end(), name) != kept_fp32_.end();
  }

  // The word embeddings and the product with the vocabulary: one layer, or rows and a layer.
  void words() {
    const std::string name = without_weight(d_.rules[word_embeddings_rule(d_)].name);
    const weights::ManifestLayer* layer = find_layer(manifest_, d_, name);
    const bool rows = layer != nullptr && layer->format == weights::LayerFormat::kRows;
    if (rows) {
      replace_by_rows(d_, *layer);
      ++found_;
    }
    if (!d_.tied_unit) {
      if (layer != nullptr && !rows) fail(name, "is not i8_rows");
      return;
    }
    const LinearUnit own = unit_of(d_, *d_.vocabulary_unit, 0);
    const bool has_own = find_layer(manifest_, d_, own.name) != nullptr || is_kept(own.name);
    if (rows || has_own) d_.tied = false;
    if (d_.rules[own.rules[0]].presence != weights::Presence::kUnused) return;
    // Another head stands on the same model: what it does not read is known all the same.
    if (layer != nullptr && !rows) unit(unit_of(d_, *d_.tied_unit, 0));
    if (has_own) unit(own);
  }

  void unit(const LinearUnit& one) {
    const weights::ManifestLayer* layer = find_layer(manifest_, d_, one.name);
    const bool kept = is_kept(one.name);
    if (kept && layer != nullptr) fail(one.name, "is in INT8, and kept in FP32 too");
    if (!kept && layer == nullptr) fail(one.name, "is neither in INT8 nor kept in FP32");
    found_kept_ += kept;
    if (layer == nullptr) return;
    check_layer(d_, one, *layer);
    replace_by_packed(d_, one, *layer);
    replaced_.insert(one.rules.begin(), one.rules.end());
    ++found_;
  }

  ModelDescription& d_;
  const weights::Manifest& manifest_;
  const std::vector<std::string>& kept_fp32_;
  std::size_t found_ = 0, found_kept_ = 0;
  std::set<std::size_t> replaced_;  // rules
};

// A weight that is in the file as floats although linnet.json has it in INT8: which one counts?
void refuse_both(const weights::Checkpoint& checkpoint, const weights::Manifest& manifest) {
  for (const auto& [name, tensor] : manifest.tensors) {
    if (tensor.kept != weights::Kept::kQuantized) continue;
    const weights::TensorView* found = checkpoint.find(name);
    if (found == nullptr || !weights::is_float(found->dtype)) continue;
    throw Error(ErrorCode::kFormat, checkpoint.directory().name() + ": tensor " + quote(name) +
                                        " is there as " + weights::name(found->dtype) +
                                        ", and in INT8 as part of layer " + quote(tensor.layer));
  }
}

}  // namespace

std::vector<LinearUnit> linear_units(const ModelDescription& d) {
  std::vector<LinearUnit> units;
  for (std::int64_t i = 0; i < d.layers; ++i) {
    for (const UnitKind& kind : d.layer_units) units.push_back(unit_of(d, kind, i));
  }
  if (!d.vocabulary_unit) return units;
  const LinearUnit own = unit_of(d, *d.vocabulary_unit, 0);
  if (d.rules[own.rules[0]].presence == weights::Presence::kUnused) return units;
  units.push_back(d.tied ? unit_of(d, *d.tied_unit, 0) : own);
  return units;
}

std::size_t word_embeddings_rule(const ModelDescription& description) {
  return rule_index(description, description.words, 0);
}

void note_own_vocabulary_weights(ModelDescription& d, const weights::NameMap& names) {
  if (!d.tied) return;
  const FieldId own = d.vocabulary_unit->weights[0];
  for (std::size_t i = 0; i < d.rules.size(); ++i) {
    if (d.rules[i].field != own.value || names.tensors[i] == nullptr) continue;
    if (names.ties[i] != weights::Tie::kEqual) d.tied = false;
  }
}

void check_int8_attention(const EncoderConfig& config) {
  if (config.positions <= kernels::kMaxKS8) return;
  throw Error(ErrorCode::kUnsupported, "config.json: INT8 attention is exact for at most " +
                                           std::to_string(kernels::kMaxKS8) + " positions, found " +
                                           std::to_string(config.positions));
}

void apply_quantized_layers(ModelDescription& description, const weights::Manifest& manifest) {
  Applier(description, manifest).run();
}

std::optional<weights::ManifestQuantization> read_quantized_layers(
    ModelDescription& description, const weights::Checkpoint& checkpoint) {
  const auto manifest = weights::read_manifest(checkpoint.directory());
  if (!manifest || !manifest->quantization) return std::nullopt;
  apply_quantized_layers(description, *manifest);
  refuse_both(checkpoint, *manifest);
  return manifest->quantization;
}

void check_options_of_quantized(const weights::Checkpoint& checkpoint, const LoadOptions& options) {
  const auto refuse = [&](const char* what) {
    throw Error(ErrorCode::kInvalidArgument,
                checkpoint.directory().name() + ": is quantised already: " + what);
  };
  if (options.precision == Precision::kInt8) refuse("its own INT8 is used, ask for no other");
  if (options.precision == Precision::kBfloat16) refuse("there is no BF16 in it");
  if (options.backend == Backend::kOneDnn) refuse("its layers are computed by linnet only");
}

}  // namespace linnet
