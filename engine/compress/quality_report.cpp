// Dimension key: T tokens of all sequences, packed   D model width   N outputs   K inputs
#include "engine/compress/quality_report.h"

#include <algorithm>
#include <array>

#include "engine/compress/block_inputs.h"
#include "engine/compress/compare_layers.h"
#include "engine/core/float_environment.h"

namespace linnet::compress {
namespace {

struct Step {
  const char* name;
  EncoderRecipe recipe;
};

std::vector<Step> steps_of(const EncoderRecipe& recipe) {
  EncoderRecipe so_far{.rotate = false, .in_lane = recipe.in_lane};
  std::vector<Step> steps{{"plain", so_far}};
  const auto add = [&](bool wanted, const char* name, bool EncoderRecipe::*step) {
    if (!wanted) return;
    so_far.*step = true;
    steps.push_back({name, so_far});
  };
  add(recipe.rotate, "rotation", &EncoderRecipe::rotate);
  add(recipe.smooth, "smoothing", &EncoderRecipe::smooth);
  add(recipe.second_order, "second order", &EncoderRecipe::second_order);
  return steps;
}

}  // namespace

StepQuality measure_quality(Threads& threads, const EncoderModel& exact,
                            const QuantizedEncoder& quantized, const Measurement& how) {
  const FloatEnvironment environment;
  const InstalledEncoder int8 = installed(threads, exact, quantized);
  BlockByBlock before(threads, exact, how.batch);
  BlockByBlock after(threads, exact, int8.weights, how.attention, how.batch);
  StepQuality quality;
  for (std::size_t i = 0; i < exact.weights.layers.size(); ++i) {
    const EncoderLayer &a = exact.weights.layers[i], &b = int8.weights.layers[i];
    const BlockInputs x = before.next();
    after.next();
    LayerProducts products(threads, exact.kernels,
                           std::max({a.qkv.N, a.intermediate.N, a.output.N}),
                           std::max({a.qkv.K, a.attention_output.K, a.output.K}));
    const auto add = [&](const char* name, Mat<const float> inputs, const Linear& mine,
                         const Linear& theirs) {
      quality.layers.push_back(
          {static_cast<std::int64_t>(i), name, products.snr_db(inputs, mine, theirs)});
    };
    add("qkv", x.qkv, a.qkv, b.qkv);
    add("attention_output", x.attention_output, a.attention_output, b.attention_output);
    add("intermediate", x.intermediate, a.intermediate, b.intermediate);
    add("output", x.output, a.output, b.output);
  }
  quality.step = "all";
  const OutputCosines cosines = compare_outputs(how.batch, before.hidden(), after.hidden());
  quality.mean_cosine = cosines.mean;
  quality.least_cosine = cosines.least;
  return quality;
}

std::vector<StepQuality> measure_steps(Threads& threads, const EncoderModel& exact,
                                       const EncoderRecipe& recipe, const Batch& calibration,
                                       const Measurement& how) {
  std::vector<Step> steps = steps_of(recipe);
  steps.pop_back();
  std::vector<StepQuality> report;
  for (const Step& step : steps) {
    const QuantizedEncoder quantized = quantize_encoder(threads, exact, step.recipe, calibration);
    report.push_back(measure_quality(threads, exact, quantized, how));
    report.back().step = step.name;
  }
  return report;
}

}  // namespace linnet::compress
