#include "engine/models/linear_units.h"

#include <algorithm>
#include <array>
#include <set>
#include <span>

#include "kernels/ops.h"
#include "weights/base/error.h"
#include "weights/base/text.h"

namespace linnet {
namespace {

using enum EncoderField;

constexpr std::string_view kWeight = ".weight";

std::string without_weight(const std::string& name) {
  return name.substr(0, name.size() - kWeight.size());
}

// Adds one unit for each layer; `fields` are its weights from top to bottom.
void add_units(const EncoderDescription& d, EncoderField packed,
               std::span<const EncoderField> fields, std::int64_t layer,
               std::vector<LinearUnit>& units) {
  LinearUnit unit;
  unit.packed = packed;
  unit.layer = static_cast<std::int32_t>(layer);
  for (const EncoderField field : fields) {
    for (std::size_t i = 0; i < d.rules.size(); ++i) {
      const weights::TensorRule& rule = d.rules[i];
      if (rule.field != static_cast<std::int32_t>(field) || rule.layer != unit.layer) continue;
      unit.rules.push_back(i);
      unit.N += rule.shape[0];
      unit.K = rule.shape[1];
    }
  }
  const std::string& first = d.rules[unit.rules.front()].name;
  unit.name = without_weight(first);
  if (unit.rules.size() > 1) {  // query, key, value
    unit.name = unit.name.substr(0, unit.name.rfind('.') + 1) + "qkv";
  }
  units.push_back(std::move(unit));
}

std::string prefix_of(const EncoderDescription& d) { return d.common.model_type + "."; }

weights::TensorRule rule_of(const LinearUnit& unit, const char* tail, EncoderField field,
                            std::vector<std::int64_t> shape, weights::DType dtype) {
  weights::TensorRule rule;
  rule.name = unit.name + tail;
  rule.shape = std::move(shape);
  rule.decay = false;
  rule.field = static_cast<std::int32_t>(field);
  rule.layer = unit.layer;
  rule.dtype = dtype;
  return rule;
}

// Under its name in the file, which may carry the prefix of the base model.
const weights::ManifestLayer* find_layer(const weights::Manifest& manifest,
                                         const EncoderDescription& description,
                                         const std::string& name) {
  auto at = manifest.layers.find(name);
  if (at == manifest.layers.end()) at = manifest.layers.find(prefix_of(description) + name);
  return at == manifest.layers.end() ? nullptr : &at->second;
}

[[noreturn]] void fail(const std::string& name, const std::string& what) {
  throw Error(ErrorCode::kFormat,
              std::string(weights::kManifestFile) + ": layer " + quote(name) + " " + what);
}

void check_layer(const EncoderDescription& d, const LinearUnit& unit,
                 const weights::ManifestLayer& layer) {
  if (layer.format != weights::LayerFormat::kPacked) fail(unit.name, "is i8_rows, not i8_packed");
  if (layer.N != unit.N || layer.K != unit.K) {
    fail(unit.name, "has shape " + weights::shape_text(std::array{layer.N, layer.K}) +
                        ", config.json says " + weights::shape_text(std::array{unit.N, unit.K}));
  }
  bool same = layer.of.size() == unit.rules.size();
  for (std::size_t i = 0; same && i < layer.of.size(); ++i) {
    const std::string& part = d.rules[unit.rules[i]].name;
    same = layer.of[i] == part || layer.of[i] == prefix_of(d) + part;
  }
  if (!same) fail(unit.name, "is made of other weights than this model's");
}

void replace_by_packed(EncoderDescription& d, const LinearUnit& unit,
                       const weights::ManifestLayer& layer) {
  using weights::DType;
  const std::int64_t bytes = (unit.N + 15) / 16 * 16 * kernels::column_bytes_s8(unit.K);
  d.rules.push_back(rule_of(unit, ".weight", unit.packed, {bytes}, DType::kI8));
  d.rules.push_back(rule_of(unit, ".weight_scale", scale_of(unit.packed), {unit.N}, DType::kF32));
  if (!layer.factors) return;
  d.rules.push_back(
      rule_of(unit, ".input_factors", factors_of(unit.packed), {unit.K}, DType::kF32));
}

void replace_by_rows(EncoderDescription& d, const weights::ManifestLayer& layer) {
  weights::TensorRule& words = d.rules[word_embeddings_rule(d)];
  if (layer.format != weights::LayerFormat::kRows || layer.N != words.shape[0] ||
      layer.K != words.shape[1]) {
    fail(words.name, "is not i8_rows of shape " + weights::shape_text(words.shape));
  }
  words.dtype = weights::DType::kI8;
  weights::TensorRule scale;
  scale.name = words.name + "_scale";
  scale.shape = {words.shape[0]};
  scale.decay = false;
  scale.field = static_cast<std::int32_t>(kWordEmbeddingsScale);
  scale.dtype = weights::DType::kF32;
  d.rules.push_back(std::move(scale));
}

}  // namespace

std::vector<LinearUnit> linear_units(const EncoderDescription& description) {
  std::vector<LinearUnit> units;
  for (std::int64_t i = 0; i < description.config.layers(); ++i) {
    add_units(description, kPackedQkv, std::array{kQuery, kKey, kValue}, i, units);
    add_units(description, kPackedAttentionOutput, std::array{kAttentionOutput}, i, units);
    add_units(description, kPackedIntermediate, std::array{kIntermediate}, i, units);
    add_units(description, kPackedOutput, std::array{kOutput}, i, units);
  }
  return units;
}

std::size_t word_embeddings_rule(const EncoderDescription& description) {
  std::size_t i = 0;
  while (description.rules[i].field != static_cast<std::int32_t>(kWordEmbeddings)) ++i;
  return i;
}

void check_int8_attention(const EncoderConfig& config) {
  if (config.positions <= kernels::kMaxKS8) return;
  throw Error(ErrorCode::kUnsupported, "config.json: INT8 attention is exact for at most " +
                                           std::to_string(kernels::kMaxKS8) + " positions, found " +
                                           std::to_string(config.positions));
}

void apply_quantized_layers(EncoderDescription& description, const weights::Manifest& manifest) {
  const std::vector<std::string>& kept_fp32 = manifest.quantization->kept_fp32;
  std::size_t found = 0, found_kept = 0;
  std::set<std::size_t> replaced;
  const std::string words = description.rules[word_embeddings_rule(description)].name;
  if (const auto* layer = find_layer(manifest, description, without_weight(words))) {
    replace_by_rows(description, *layer);
    description.packed_words = true;
    ++found;
  }
  for (const LinearUnit& unit : linear_units(description)) {
    const weights::ManifestLayer* layer = find_layer(manifest, description, unit.name);
    const bool kept = std::find(kept_fp32.begin(), kept_fp32.end(), unit.name) != kept_fp32.end();
    if (kept && layer != nullptr) fail(unit.name, "is in INT8, and kept in FP32 too");
    if (!kept && layer == nullptr) fail(unit.name, "is neither in INT8 nor kept in FP32");
    found_kept += kept;
    if (layer == nullptr) continue;
    check_layer(description, unit, *layer);
    replace_by_packed(description, unit, *layer);
    PackedLayer& one = description.packed[{unit.packed, unit.layer}];
    one.transform.n = layer->n;
    one.transform.thirds = layer->thirds;
    one.transform.in_lane = layer->in_lane;
    one.factors = layer->factors;
    replaced.insert(unit.rules.begin(), unit.rules.end());
    ++found;
  }
  if (found != manifest.layers.size()) {
    throw Error(ErrorCode::kFormat, std::string(weights::kManifestFile) + ": has " +
                                        std::to_string(manifest.layers.size()) +
                                        " quantised layers, this model knows " +
                                        std::to_string(found) + " of them");
  }
  if (found_kept != kept_fp32.size()) {
    throw Error(ErrorCode::kFormat, std::string(weights::kManifestFile) +
                                        ": kept_fp32 names layers that this model does not have");
  }
  for (auto i = replaced.rbegin(); i != replaced.rend(); ++i) {
    description.rules.erase(description.rules.begin() + static_cast<std::ptrdiff_t>(*i));
  }
}

}  // namespace linnet
