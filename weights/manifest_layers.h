#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "weights/base/json.h"
#include "weights/base/json_writer.h"
#include "weights/hash.h"

// What linnet.json says about a quantised model.
namespace linnet::weights {

/// kPacked: NAME.weight I8 [bytes] in the layout of kernels::PackS8Fn. kRows: NAME.weight I8
/// [N, K]. kPacked4: weights of 4 bits, NAME.weight I8 [bytes] in the layout of kernels::PackS4Fn.
/// All have NAME.weight_scale F32 [N], a scale for each row.
enum class LayerFormat { kPacked, kRows, kPacked4 };

/// A layer of this directory in INT8 or 4 bits, made of one or more weights of the source, one
/// below the other. n, thirds, in_lane and factors are those of kernels::RowTransform: what is done
/// to a row of the layer's input before it is quantised, and was undone in its weights.
struct ManifestLayer {
  LayerFormat format = LayerFormat::kPacked;
  std::int64_t N = 0, K = 0;
  std::vector<std::string> of;  // our names of the weights of the source
  std::int32_t n = 0;
  bool thirds = false, in_lane = false;
  bool factors = false;     // NAME.input_factors F32 [K] is there
  bool transposed = false;  // the one weight of the source is stored [K, N]
};
using ManifestLayers = std::map<std::string, ManifestLayer>;

/// How a model was quantised: the step "quantize".
struct ManifestQuantization {
  std::string scheme;                   // e.g. "plain"
  std::string attention;                // "f32" or "i8"
  std::string calibration;              // what the scheme was calibrated with; "": nothing
  std::int64_t calibration_tokens = 0;  // of it
  std::vector<std::string> kept_fp32;   // layers that could be in INT8 and are not
};

/// A score of the model, before and after what was done to it.
struct ManifestQuality {
  std::string metric, data;
  Hash128 data_hash;
  std::int64_t rows = 0;
  double before = 0, after = 0;
};

void write_layers(json::Writer& out, const ManifestLayers& layers);
void write_quantization(json::Writer& out, const ManifestQuantization& quantization);
void write_quality(json::Writer& out, const std::vector<ManifestQuality>& quality);

/// Throw kFormat for anything that is not what the functions above write: unknown words, sizes and
/// rotations that contradict each other.
ManifestLayers read_layers(json::Value value);
ManifestQuantization read_quantization(json::Value value);
std::vector<ManifestQuality> read_quality(json::Value value);
Hash128 hash_of(json::Value value);

}  // namespace linnet::weights
