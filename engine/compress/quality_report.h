#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/compress/quantize_encoder.h"

// What quantising costs an encoder: layer by layer, at its output, and by the steps of the recipe.
namespace linnet::compress {

/// The product of one layer in INT8 beside that in FP32, on the same FP32 inputs, without the bias.
struct LayerQuality {
  std::int64_t block = 0;
  const char* layer = "";  // "qkv", "attention_output", "intermediate", "output"
  /// 10·log10(Σ y² / Σ (y - y8)²), at most 200; the sums over all tokens and outputs.
  double snr_db = 0;
};

/// The model with the steps of a recipe up to this one.
struct StepQuality {
  std::string step;  // "plain", "rotation", "smoothing", "second order"
  /// Of the means of the last hidden states over the tokens of a sequence, INT8 against FP32.
  double mean_cosine = 0, least_cosine = 0;
  std::vector<LayerQuality> layers;  // in the order in which they are computed
};

/// How the quantised model is run.
struct Measurement {
  AttentionKind attention = AttentionKind::kFloat32;
  Batch batch = {};  // sequences that are not the calibration's
};

/// `exact` is the FP32 model that `quantized` was made of. Throws as linnet::check().
StepQuality measure_quality(Threads& threads, const EncoderModel& exact,
                            const QuantizedEncoder& quantized, const Measurement& how);

/// The steps of `recipe` before the last one, with which the model was quantised: measured with one
/// more of them each time. Throws as quantize_encoder(), and as linnet::check().
std::vector<StepQuality> measure_steps(Threads& threads, const EncoderModel& exact,
                                       const EncoderRecipe& recipe, const Batch& calibration,
                                       const Measurement& how);

}  // namespace linnet::compress
