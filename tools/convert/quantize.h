#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/compress/quality_report.h"
#include "engine/compress/quantize_encoder.h"
#include "tools/convert/convert.h"

// From a Hugging Face directory to one whose layers and word embeddings are in INT8.
namespace linnet::tools {

/// kPlain: rows and channels by their greatest magnitude. kRotated: inputs rotated first, no data
/// needed. kCalibrated: with smoothing factors and second-order rounding from a calibration text;
/// from random ids, whose outliers are not those of text, only the rounding.
enum class Scheme { kPlain, kRotated, kCalibrated };

struct QuantizeOptions {
  std::string model, output;
  weights::OpenOptions open;
  Scheme scheme = Scheme::kRotated;
  compress::WeightBits bits = compress::WeightBits::kEight;  // kFour: of a decoder alone
  /// The attention of the model in exact INT8 too: by default for an encoder, unless plain.
  std::optional<bool> int8_attention;
  /// Lines of text; without them a calibrated scheme takes random ids.
  std::optional<std::string> calibration_file;
  std::vector<std::string> keep_fp32;  // layers, by the end of their names
  /// Layers whose products lose more stay in FP32 too: LayerQuality::snr_db, on random ids.
  std::optional<double> keep_below;
  bool report = false;  // measure the layers and the steps of the scheme
  /// Records to score both models on: see evaluate(). What is lost may be limited.
  std::optional<std::string> eval_file;
  std::optional<double> max_drop;
  weights::Existing existing = weights::Existing::kRefuse;
  NonFinite non_finite = NonFinite::kRefuse;
  kernels::Isa isa = kernels::Isa::kReference;
  int threads = 1;
};

struct Quantization {
  weights::Manifest manifest;
  std::int64_t bytes_before = 0, bytes_after = 0;  // of tensors
  std::vector<std::string> warnings;
  std::vector<compress::StepQuality> report;  // where it was asked for; the last is the model's
};

/// Writes the directory: complete, or absent when anything goes wrong. The same source gives the
/// same bytes on every machine and for any number of threads. Throws what loading throws, and
/// kInvalidArgument for a model that is quantised already, for a calibration text that is too
/// short, for a layer to keep that there is not, for a model that lost more than max_drop.
Quantization quantize(const QuantizeOptions& options);

/// For people and for programs (schema linnet.quantize.1).
std::string quantization_text(const Quantization& quantization);
std::string quantization_json(const Quantization& quantization);

}  // namespace linnet::tools
