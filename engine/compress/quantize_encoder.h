#pragma once

#include <cstdint>
#include <vector>

#include "engine/compress/quantized_linear.h"
#include "engine/core/memory.h"
#include "engine/models/encoder_model.h"

// An encoder in INT8: which recipe each layer gets, and the numbers that come out.
namespace linnet::compress {

/// How the layers of an encoder are quantised. Without the last two no data is needed.
struct EncoderRecipe {
  /// Rotate the inputs of q/k/v, of the intermediate layer and of the output layer. The attention's
  /// output has no outliers: its layer is not rotated.
  bool rotate = true;
  InLane in_lane = InLane::kYes;
  bool smooth = false;        // the same layers: smoothing_factors()
  bool second_order = false;  // all layers: quantize_calibrated()

  bool is_calibrated() const { return smooth || second_order; }
};

/// The fewest tokens that a calibration may have: 16 sentences.
constexpr std::int64_t kLeastCalibrationTokens = 256;
/// Tokens that are enough: more cost time and memory and bring nothing.
constexpr std::int64_t kEnoughCalibrationTokens = 3584;

/// The layers of one block, as in EncoderLayer; biases stay what they are. A layer without numbers
/// (N = 0) stays FP32.
struct QuantizedBlock {
  QuantizedLinear qkv;  // rows q | k | v
  QuantizedLinear attention_output;
  QuantizedLinear intermediate;
  QuantizedLinear output;
};

struct QuantizedEncoder {
  QuantizedRows words;
  std::vector<QuantizedBlock> blocks;
};

/// Quantises an FP32 model. Everything that is not in QuantizedEncoder stays FP32. `calibration` is
/// only read by a calibrated recipe: sequences as the model will see them, but none that it is
/// measured with. Throws kInvalidArgument for a model that is not FP32 with linnet's backend and
/// for a calibration with less than kLeastCalibrationTokens, kNumeric if its hidden states are not
/// finite.
QuantizedEncoder quantize_encoder(Threads& threads, const EncoderModel& model,
                                  const EncoderRecipe& recipe, const Batch& calibration = {});

/// The parameters of a model with INT8 layers laid over its own.
struct InstalledEncoder {
  EncoderWeights weights;  // points into `memory` and into the model
  Block memory;
};
InstalledEncoder installed(Threads& threads, const EncoderModel& model,
                           const QuantizedEncoder& quantized);

/// The same for the model itself, which then runs as one that was loaded in INT8. What it points
/// into is returned and must outlive its sessions.
Block install(Threads& threads, EncoderModel& model, const QuantizedEncoder& quantized);

}  // namespace linnet::compress
