#include "tools/convert/quantize.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "engine/models/linear_units.h"
#include "tools/convert/calibration.h"
#include "tools/convert/evaluation.h"
#include "tools/convert/files.h"
#include "tools/convert/plan.h"
#include "weights/base/error.h"
#include "weights/base/text.h"

namespace linnet::tools {
namespace {

using weights::Checkpoint;
using weights::DType;
using weights::Kept;
using weights::ManifestTensor;

constexpr std::int64_t kPage = 4096;
constexpr std::uint64_t kReportSeed = 1;  // not that of a calibration with random ids

// A tensor of the file to be, and who writes it.
struct Output {
  weights::TensorHeader header;
  std::function<void(weights::OutputFile&)> write;
};

template <class T>
Output output_of(std::string name, DType dtype, std::vector<std::int64_t> shape,
                 const std::vector<T>& values) {
  return {{std::move(name), dtype, std::move(shape)}, [&values](weights::OutputFile& out) {
            out.write(values.data(), values.size() * sizeof(T));
          }};
}

// What the layer `unit` became.
compress::QuantizedLinear& layer_of(compress::QuantizedEncoder& quantized, const LinearUnit& unit) {
  compress::QuantizedBlock& block = quantized.blocks[static_cast<std::size_t>(unit.layer)];
  switch (unit.packed) {
    case EncoderField::kPackedQkv:
      return block.qkv;
    case EncoderField::kPackedAttentionOutput:
      return block.attention_output;
    case EncoderField::kPackedIntermediate:
      return block.intermediate;
    default:
      return block.output;
  }
}

void write_packed(const compress::QuantizedLinear& layer, weights::OutputFile& out) {
  // Panels stand one after the other: they are packed and written one at a time.
  const kernels::PackS8Fn pack = kernels::make_table(kernels::Isa::kReference).pack_s8;
  const std::int64_t K64 = kernels::padded_k(layer.K), step = kernels::kPanelS8;
  std::vector<std::int8_t> panel(static_cast<std::size_t>(packed_bytes_s8(step, K64)));
  for (std::int64_t n = 0; n < layer.N; n += step) {
    const std::int64_t width = std::min(step, layer.N - n);
    pack(panel.data(), layer.q.data() + n * layer.ldq(), layer.ldq(), 1, K64, 0, width);
    out.write(panel.data(), static_cast<std::size_t>(packed_bytes_s8(width, K64)));
  }
}

class Writer {
 public:
  Writer(const Checkpoint& checkpoint, const EncoderDescription& description,
         const weights::NameMap& map, weights::Manifest& manifest)
      : checkpoint_(checkpoint),
        description_(description),
        names_(description, map),
        manifest_(manifest) {}

  void add_words(const compress::QuantizedRows& words) {
    const std::string rule = description_.rules[word_embeddings_rule(description_)].name;
    const std::string weight = names_.of_rule(rule);
    weights::ManifestLayer layer;
    layer.format = weights::LayerFormat::kRows;
    layer.N = words.V;
    layer.K = words.D;
    add_layer(without_weight(weight), {weight}, layer);
    outputs_.push_back(output_of(weight, DType::kI8, {words.V, words.D}, words.q));
    outputs_.push_back(output_of(weight + "_scale", DType::kF32, {words.V}, words.scale));
  }

  void add_unit(const LinearUnit& unit, const compress::QuantizedLinear& quantized) {
    const std::string name = names_.in_base(unit.name);
    std::vector<std::string> parts;
    for (const std::size_t i : unit.rules) {
      parts.push_back(names_.of_rule(description_.rules[i].name));
    }
    weights::ManifestLayer layer;
    layer.N = quantized.N;
    layer.K = quantized.K;
    layer.n = quantized.recipe.rotation.n;
    layer.thirds = quantized.recipe.rotation.thirds;
    layer.in_lane = quantized.recipe.rotation.in_lane;
    layer.factors = !quantized.recipe.r.empty();
    add_layer(name, parts, layer);
    outputs_.push_back({{name + ".weight", DType::kI8, {packed_bytes_s8(layer.N, layer.K)}},
                        [&quantized](weights::OutputFile& out) { write_packed(quantized, out); }});
    outputs_.push_back(output_of(name + ".weight_scale", DType::kF32, {layer.N}, quantized.scale));
    if (!layer.factors) return;
    outputs_.push_back(
        output_of(name + ".input_factors", DType::kF32, {layer.K}, quantized.recipe.r));
  }

  // Everything that stays as it is, then all of it into one file.
  void write(const std::string& path) {
    for (const Transfer& one : transfers(checkpoint_, manifest_)) {
      outputs_.push_back({one.to, [this, one](weights::OutputFile& out) {
                            manifest_.tensors.at(one.to.name).rounded = transfer(
                                one, NonFinite::kAllow, [&](std::span<const std::byte> bytes) {
                                  out.write(bytes.data(), bytes.size());
                                });
                            checkpoint_.release(one.from);
                          }});
    }
    std::vector<weights::TensorHeader> headers;
    for (const Output& one : outputs_) headers.push_back(one.header);
    weights::write_safetensors(
        path, headers, {{"format", "pt"}},
        [&](std::size_t i, weights::OutputFile& out) { outputs_[i].write(out); }, kPage);
  }

  std::int64_t bytes() const {
    std::int64_t sum = 0;
    for (const Output& one : outputs_)
      sum += *weights::bytes_of(one.header.dtype, one.header.shape);
    return sum;
  }

 private:
  static std::string without_weight(const std::string& name) {
    return name.substr(0, name.size() - std::strlen(".weight"));
  }

  void add_layer(const std::string& name, const std::vector<std::string>& parts,
                 weights::ManifestLayer layer) {
    for (const std::string& part : parts) {
      ManifestTensor& tensor = manifest_.tensors.at(part);
      tensor.kept = Kept::kQuantized;
      tensor.layer = name;
    }
    layer.of = parts;
    manifest_.layers.emplace(name, std::move(layer));
  }

  const Checkpoint& checkpoint_;
  const EncoderDescription& description_;
  TensorNames names_;
  weights::Manifest& manifest_;
  std::vector<Output> outputs_;
};

const char* scheme_name(Scheme scheme) {
  constexpr const char* kNames[] = {"plain", "rotated", "calibrated"};
  return kNames[static_cast<std::size_t>(scheme)];
}

compress::EncoderRecipe recipe_of(Scheme scheme) {
  compress::EncoderRecipe recipe;
  if (scheme == Scheme::kPlain) recipe.rotate = false;
  if (scheme == Scheme::kCalibrated) recipe.smooth = recipe.second_order = true;
  return recipe;
}

// The names of all layers that end in one of `wanted`; each of these must name one.
std::vector<std::string> kept_layers(const std::vector<LinearUnit>& units,
                                     const std::vector<std::string>& wanted) {
  std::vector<std::string> kept;
  for (const std::string& tail : wanted) {
    const std::size_t before = kept.size();
    for (const LinearUnit& unit : units) {
      if (unit.name.ends_with(tail)) kept.push_back(unit.name);
    }
    if (kept.size() == before) {
      throw Error(ErrorCode::kInvalidArgument,
                  "no layer is named " + quote(tail) + "; the first is " + quote(units[0].name));
    }
  }
  std::sort(kept.begin(), kept.end());
  kept.erase(std::unique(kept.begin(), kept.end()), kept.end());
  return kept;
}

LoadOptions load_options(const QuantizeOptions& options) {
  LoadOptions load;
  load.isa = options.isa;
  load.threads = options.threads;
  load.non_finite = options.non_finite;
  return load;
}

EncoderModel load_source(const QuantizeOptions& options) {
  return load_encoder(Checkpoint(options.model, options.open), load_options(options));
}

bool is_kept(const weights::ManifestQuantization& how, const LinearUnit& unit) {
  return std::binary_search(how.kept_fp32.begin(), how.kept_fp32.end(), unit.name);
}

// The numbers, from the whole model in FP32; what they were calibrated with goes to linnet.json.
// Layers that are kept have none.
compress::QuantizedEncoder quantized_encoder(const QuantizeOptions& options,
                                             const std::vector<LinearUnit>& units,
                                             Quantization& result) {
  weights::ManifestQuantization& how = *result.manifest.quantization;
  Threads threads(options.threads);
  compress::EncoderRecipe recipe = recipe_of(options.scheme);
  const EncoderModel model = load_source(options);
  const weights::Directory& directory = model.checkpoint.directory();
  Calibration calibration;
  if (recipe.is_calibrated()) {
    recipe.smooth = options.calibration_file.has_value();
    calibration = calibration_of(options.calibration_file, directory, model, threads);
    how.calibration = calibration.name;
    how.calibration_tokens = calibration.batch().T();
  }
  compress::QuantizedEncoder quantized =
      compress::quantize_encoder(threads, model, recipe, calibration.batch());
  for (const LinearUnit& unit : units) {
    if (is_kept(how, unit)) layer_of(quantized, unit) = {};
  }
  if (options.report) {
    const Calibration other = random_ids(directory, model, kReportSeed);
    const compress::Measurement measurement{
        options.int8_attention ? AttentionKind::kInt8 : AttentionKind::kFloat32, other.batch()};
    result.report =
        compress::measure_steps(threads, model, recipe, calibration.batch(), measurement);
    result.report.push_back(compress::measure_quality(threads, model, quantized, measurement));
  }
  return quantized;
}

// Nothing reads the pooler of a base model but who asks for it, and half of its bytes are enough.
void shorten_pooler(const EncoderDescription& description, const weights::NameMap& map,
                    weights::Manifest& manifest) {
  if (description.head != HeadKind::kBase) return;
  const TensorNames names(description, map);
  for (const weights::TensorRule& rule : description.rules) {
    if (rule.field != static_cast<std::int32_t>(EncoderField::kPooler)) continue;
    const auto at = manifest.tensors.find(names.of_rule(rule.name));
    if (at == manifest.tensors.end() || at->second.kept != Kept::kStored) continue;
    if (at->second.stored == DType::kF32) at->second.stored = DType::kBF16;
  }
}

void refuse_quantized(const weights::Directory& source) {
  const auto before = weights::read_manifest(source);
  if (!before || !before->quantization) return;
  throw Error(ErrorCode::kInvalidArgument,
              source.name() +
                  ": is quantised already; quantise the model it was made from, or "
                  "what linnet export makes of it");
}

void write_manifest(const std::string& directory, const weights::Manifest& manifest) {
  weights::write_file(directory + "/" + weights::kManifestFile, [&](weights::OutputFile& out) {
    out.write(weights::manifest_text(manifest));
  });
}

}  // namespace

Quantization quantize(const QuantizeOptions& options) {
  const Checkpoint checkpoint(options.model, options.open);
  const weights::Directory& source = checkpoint.directory();
  refuse_quantized(source);
  check_replaceable(source, options.output, options.existing);
  const EncoderDescription description = describe_encoder(checkpoint);
  if (options.int8_attention) check_int8_attention(description.config);
  const weights::NameMap map = map_names(checkpoint, description.rules, description.spelling);
  check_companions(source, description);
  const std::vector<LinearUnit> units = linear_units(description);

  Quantization result;
  result.warnings.assign(checkpoint.warnings().begin(), checkpoint.warnings().end());
  result.warnings.insert(result.warnings.end(), map.warnings.begin(), map.warnings.end());
  weights::Manifest& manifest = result.manifest;
  manifest.model_type = description.common.model_type;
  manifest.head = linnet::name(description.head);
  manifest.tensors = plan_tensors(checkpoint, description, map, std::nullopt);
  weights::ManifestQuantization& how = manifest.quantization.emplace();
  how.scheme = scheme_name(options.scheme);
  how.attention = options.int8_attention ? "i8" : "f32";
  how.kept_fp32 = kept_layers(units, options.keep_fp32);
  shorten_pooler(description, map, manifest);
  compress::QuantizedEncoder quantized = quantized_encoder(options, units, result);
  const std::vector<std::string> copied = files_to_copy(checkpoint, {});
  describe_source(checkpoint, copied, manifest);
  for (const weights::TensorView& tensor : checkpoint.tensors()) {
    result.bytes_before += static_cast<std::int64_t>(tensor.bytes.size());
  }

  weights::OutputDirectory output(options.output, options.existing);
  const std::string& directory = output.temporary_path();
  manifest.files.push_back(write_config(checkpoint, description, directory));
  Writer writer(checkpoint, description, map, manifest);
  writer.add_words(quantized.words);
  for (const LinearUnit& unit : units) {
    if (is_kept(how, unit)) continue;
    writer.add_unit(unit, layer_of(quantized, unit));
  }
  writer.write(directory + "/" + kWeightsFile);
  result.bytes_after = writer.bytes();
  manifest.files.push_back(describe_file(weights::Directory(directory), kWeightsFile));
  for (const std::string& file : copied) {
    manifest.files.push_back(copy_file(source, file, directory));
  }
  write_manifest(directory, manifest);
  if (options.eval_file) {
    manifest.quality = evaluate({options.model, directory, options.open, load_options(options)},
                                *options.eval_file);
    if (options.max_drop) check_drop(manifest.quality, *options.max_drop);
    write_manifest(directory, manifest);
  }
  output.commit();
  return result;
}

}  // namespace linnet::tools
