#include "tools/convert/quantize.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "engine/compress/gpt2_quality.h"
#include "engine/compress/quantize_units.h"
#include "engine/models/gpt2_model.h"
#include "engine/models/linear_units.h"
#include "tools/convert/calibration.h"
#include "tools/convert/evaluation.h"
#include "tools/convert/files.h"
#include "tools/convert/plan.h"
#include "tools/convert/quantized_writer.h"
#include "weights/base/error.h"
#include "weights/base/text.h"

namespace linnet::tools {
namespace {

using weights::Checkpoint;
using weights::DType;
using weights::Kept;

constexpr std::uint64_t kReportSeed = 1;  // not that of a calibration with random ids

// What the layer `unit` became.
compress::QuantizedLinear& layer_of(compress::QuantizedEncoder& quantized, const LinearUnit& unit) {
  compress::QuantizedBlock& block = quantized.blocks[static_cast<std::size_t>(unit.layer)];
  if (unit.packed == EncoderField::kPackedQkv) return block.qkv;
  if (unit.packed == EncoderField::kPackedAttentionOutput) return block.attention_output;
  return unit.packed == EncoderField::kPackedIntermediate ? block.intermediate : block.output;
}

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

bool is_kept(const weights::ManifestQuantization& how, const LinearUnit& unit) {
  return std::binary_search(how.kept_fp32.begin(), how.kept_fp32.end(), unit.name);
}

// The layers, by their place among the units, that lose more than the options allow; their names go
// to linnet.json.
std::vector<std::size_t> noisy_layers(const QuantizeOptions& options,
                                      const std::vector<LinearUnit>& units,
                                      const compress::StepQuality& quality,
                                      weights::ManifestQuantization& how) {
  std::vector<std::size_t> noisy;
  for (std::size_t i = 0; options.keep_below && i < units.size(); ++i) {
    if (quality.layers[i].snr_db >= *options.keep_below) continue;
    noisy.push_back(i);
    how.kept_fp32.push_back(units[i].name);
  }
  std::sort(how.kept_fp32.begin(), how.kept_fp32.end());
  return noisy;
}

// The numbers, from the whole model in FP32; what they were calibrated with goes to linnet.json.
compress::QuantizedUnits quantized_encoder(const QuantizeOptions& options,
                                           const std::vector<LinearUnit>& units,
                                           Quantization& result) {
  weights::ManifestQuantization& how = *result.manifest.quantization;
  Threads threads(options.threads);
  compress::EncoderRecipe recipe = recipe_of(options.scheme);
  const EncoderModel model =
      load_encoder(Checkpoint(options.model, options.open), load_options(options));
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
  if (options.report || options.keep_below) {
    const Calibration other = random_ids(directory, model.config.positions, kReportSeed);
    const compress::Measurement measurement{
        how.attention == "i8" ? AttentionKind::kInt8 : AttentionKind::kFloat32, other.batch()};
    compress::StepQuality quality =
        compress::measure_quality(threads, model, quantized, measurement);
    const std::vector<std::size_t> noisy = noisy_layers(options, units, quality, how);
    for (const std::size_t i : noisy) layer_of(quantized, units[i]) = {};
    if (options.report) {
      result.report =
          compress::measure_steps(threads, model, recipe, calibration.batch(), measurement);
      result.report.push_back(
          noisy.empty() ? std::move(quality)
                        : compress::measure_quality(threads, model, quantized, measurement));
    }
  }
  compress::QuantizedUnits all{std::move(quantized.words), {}};
  for (const LinearUnit& unit : units) {
    all.layers.push_back(std::move(layer_of(quantized, unit)));
  }
  return all;
}

compress::QuantizedUnits quantized_units(const QuantizeOptions& options,
                                         const compress::UnitSource& source,
                                         const compress::EncoderRecipe& recipe,
                                         const std::vector<LinearUnit>& units,
                                         const weights::ManifestQuantization& how) {
  Threads threads(options.threads);
  compress::QuantizedUnits all;
  if (!source.description.tied) all.words = compress::quantize_words(threads, source);
  for (const LinearUnit& unit : units) {
    all.layers.push_back(
        is_kept(how, unit) ? compress::QuantizedLinear{}
                           : compress::quantize_unit(threads, source, unit, recipe, options.bits));
  }
  return all;
}

// Layer by layer from the file: no scheme of a decoder looks at data. The report does.
compress::QuantizedUnits quantized_decoder(const QuantizeOptions& options,
                                           const compress::UnitSource& source,
                                           const std::vector<LinearUnit>& units,
                                           Quantization& result) {
  weights::ManifestQuantization& how = *result.manifest.quantization;
  const compress::EncoderRecipe recipe = recipe_of(options.scheme);
  compress::QuantizedUnits all = quantized_units(options, source, recipe, units, how);
  if (!options.report && !options.keep_below) return all;
  Threads threads(options.threads);
  const Gpt2Model model = load_gpt2(Checkpoint(options.model, options.open), load_options(options));
  const Calibration random =
      random_ids(model.checkpoint.directory(), model.config.n_positions, kReportSeed);
  const auto measure = [&](const compress::QuantizedUnits& quantized) {
    return compress::measure_gpt2_quality(threads, model, quantized, random.batch());
  };
  compress::StepQuality quality = measure(all);
  const std::vector<std::size_t> noisy = noisy_layers(options, units, quality, how);
  for (const std::size_t i : noisy) all.layers[i] = {};
  if (!options.report) return all;
  if (recipe.rotate) {
    compress::EncoderRecipe plain = recipe;
    plain.rotate = false;
    result.report.push_back(measure(quantized_units(options, source, plain, units, {})));
    result.report.back().step = "plain";
  }
  result.report.push_back(noisy.empty() ? std::move(quality) : measure(all));
  return all;
}

// What the attention computes in, as far as this family has what the options ask for.
const char* attention_of(const QuantizeOptions& options, const weights::Checkpoint& checkpoint) {
  const bool gpt2 = is_gpt2(checkpoint.config());
  const bool i8 = options.int8_attention.value_or(!gpt2 && options.scheme != Scheme::kPlain);
  if (gpt2 && i8) {
    throw Error(ErrorCode::kUnsupported, "the attention of a gpt2 is in FP32 only");
  }
  if (!gpt2 && options.bits == compress::WeightBits::kFour) {
    throw Error(ErrorCode::kUnsupported,
                "weights of 4 bits are for decoding: a gpt2 alone has them");
  }
  if (gpt2 && options.scheme == Scheme::kCalibrated) {
    throw Error(ErrorCode::kUnsupported,
                "a gpt2 is quantised by the schemes plain and rotated, without calibration");
  }
  if (i8) check_int8_attention(describe_encoder(checkpoint.config()).config);
  return i8 ? "i8" : "f32";
}

// Nothing reads the pooler of an encoder without head but who asks for it, and half of its bytes
// are enough.
void shorten_pooler(const ModelDescription& description, const weights::NameMap& map,
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

std::int64_t tensor_bytes(const Checkpoint& checkpoint) {
  std::int64_t bytes = 0;
  for (const weights::TensorView& tensor : checkpoint.tensors()) {
    bytes += static_cast<std::int64_t>(tensor.bytes.size());
  }
  return bytes;
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
  ModelDescription description = describe_model(checkpoint.config());
  weights::ManifestQuantization how;
  how.scheme = scheme_name(options.scheme);
  how.attention = attention_of(options, checkpoint);
  const weights::NameMap map = map_names(checkpoint, description.rules, description.spelling);
  note_own_vocabulary_weights(description, map);
  check_companions(source, description);
  const std::vector<LinearUnit> units = linear_units(description);
  how.kept_fp32 = kept_layers(units, options.keep_fp32);
  std::optional<EvaluationData> evaluation;
  if (options.eval_file) evaluation = read_evaluation(checkpoint, *options.eval_file);

  Quantization result;
  result.warnings.assign(checkpoint.warnings().begin(), checkpoint.warnings().end());
  result.warnings.insert(result.warnings.end(), map.warnings.begin(), map.warnings.end());
  weights::Manifest& manifest = result.manifest;
  manifest.model_type = description.common.model_type;
  manifest.head = linnet::name(description.head);
  manifest.tensors = plan_tensors(checkpoint, description, map, std::nullopt);
  manifest.quantization = std::move(how);
  const bool gpt2 = is_gpt2(checkpoint.config());
  if (!gpt2) shorten_pooler(description, map, manifest);
  const compress::QuantizedUnits quantized =
      gpt2 ? quantized_decoder(options, {checkpoint, description, map}, units, result)
           : quantized_encoder(options, units, result);
  const std::vector<std::string> copied = files_to_copy(checkpoint, {});
  describe_source(checkpoint, copied, manifest);
  result.bytes_before = tensor_bytes(checkpoint);

  weights::OutputDirectory output(options.output, options.existing);
  const std::string& directory = output.temporary_path();
  manifest.files.push_back(write_config(checkpoint, description, directory));
  QuantizedWriter writer(checkpoint, description, map, manifest);
  if (quantized.words) writer.add_words(*quantized.words);
  for (std::size_t i = 0; i < units.size(); ++i) {
    if (quantized.layers[i].N > 0) writer.add_unit(units[i], quantized.layers[i]);
  }
  // An encoder was loaded: what it uses is finite, and what it does not use may be anything.
  writer.write(directory + "/" + kWeightsFile, gpt2 ? options.non_finite : NonFinite::kAllow);
  result.bytes_after = writer.bytes();
  manifest.files.push_back(describe_file(weights::Directory(directory), kWeightsFile));
  for (const std::string& file : copied) {
    manifest.files.push_back(copy_file(source, file, directory));
  }
  write_manifest(directory, manifest);
  if (evaluation) {
    manifest.quality =
        evaluate({options.model, directory, options.open, load_options(options)}, *evaluation);
    if (options.max_drop) check_drop(manifest.quality, *options.max_drop);
    write_manifest(directory, manifest);
  }
  output.commit();
  return result;
}

}  // namespace linnet::tools
