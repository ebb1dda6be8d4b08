#include "engine/compress/quantize_encoder.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "engine/compress/block_inputs.h"
#include "engine/compress/calibrated_linear.h"
#include "engine/compress/encoder_source.h"
#include "engine/core/float_environment.h"
#include "weights/base/error.h"
#include "weights/number_formats.h"

namespace linnet::compress {
namespace {

using enum EncoderField;

class Quantizer {
 public:
  Quantizer(Threads& threads, const EncoderModel& model, const EncoderRecipe& recipe)
      : threads_(threads), model_(model), recipe_(recipe), source_(model) {}

  QuantizedRows words() const {
    const std::vector<float> w = source_.matrix({kWordEmbeddings});
    return quantize_rows(threads_, w.data(), model_.config.vocab_size, model_.config.D);
  }

  // Of a recipe that is not calibrated the inputs are empty.
  QuantizedBlock block(std::int64_t i, const BlockInputs& x) const {
    const EncoderLayer& layer = model_.weights.layers[static_cast<std::size_t>(i)];
    return {.qkv = mixed(layer.qkv, source_.matrix({kQuery, kKey, kValue}, i), x.qkv),
            .attention_output = plain(layer.attention_output, source_.matrix({kAttentionOutput}, i),
                                      x.attention_output),
            .intermediate =
                mixed(layer.intermediate, source_.matrix({kIntermediate}, i), x.intermediate),
            .output = mixed(layer.output, source_.matrix({kOutput}, i), x.output)};
  }

 private:
  // A layer whose inputs have outliers.
  QuantizedLinear mixed(const Linear& layer, const std::vector<float>& w,
                        Mat<const float> x) const {
    LinearRecipe recipe;
    if (recipe_.rotate) recipe.rotation = default_rotation(layer.K, recipe_.in_lane);
    if (recipe_.smooth) recipe.r = smoothing_factors(w.data(), layer.N, x);
    return linear(layer, w, std::move(recipe), x);
  }
  QuantizedLinear plain(const Linear& layer, const std::vector<float>& w,
                        Mat<const float> x) const {
    return linear(layer, w, {}, x);
  }
  QuantizedLinear linear(const Linear& layer, const std::vector<float>& w, LinearRecipe recipe,
                         Mat<const float> x) const {
    if (recipe_.second_order) {
      return quantize_calibrated(threads_, model_.kernels, w.data(), layer.N, std::move(recipe), x);
    }
    return quantize_linear(threads_, w.data(), layer.N, layer.K, std::move(recipe));
  }

  Threads& threads_;
  const EncoderModel& model_;
  EncoderRecipe recipe_;
  EncoderSource source_;
};

// Where the numbers of one layer go.
struct Place {
  std::int8_t* packed;
  float* scale;
  float* r;
  Place(Layout& layout, const QuantizedLinear& layer)
      : packed(layout.mat<std::int8_t>((layer.N + 15) / 16 * 16, kernels::column_bytes_s8(layer.K))
                   .data),
        scale(layout.mat(1, layer.N).data),
        r(layout.mat(1, static_cast<std::int64_t>(layer.recipe.r.size())).data) {}
};

struct Places {
  std::vector<Place> layers;
  std::int8_t* words;
  float* word_scale;
  Places(Layout& layout, const QuantizedEncoder& quantized) {
    for (const QuantizedBlock& block : quantized.blocks) {
      for (const auto* layer :
           {&block.qkv, &block.attention_output, &block.intermediate, &block.output}) {
        layers.emplace_back(layout, *layer);
      }
    }
    words = layout.mat<std::int8_t>(quantized.words.V, quantized.words.D).data;
    word_scale = layout.mat(1, quantized.words.V).data;
  }
};

void install_layer(const kernels::KernelTable& kernels, const QuantizedLinear& from,
                   const Place& place, Linear& to) {
  if (from.N == 0) return;
  kernels.pack_s8(place.packed, from.q.data(), from.ldq(), 1, from.ldq(), 0, from.N);
  std::copy(from.scale.begin(), from.scale.end(), place.scale);
  std::copy(from.recipe.r.begin(), from.recipe.r.end(), place.r);
  to.packed = reinterpret_cast<const std::byte*>(place.packed);
  to.kind = LinearKind::kInt8;
  to.scale = place.scale;
  to.transform = from.transform();
  if (to.transform.r != nullptr) to.transform.r = place.r;
}

void check_finite(Mat<const float> hidden, std::int64_t block) {
  const auto* bytes = reinterpret_cast<const std::byte*>(hidden.data);
  if (weights::first_not_finite(bytes, weights::DType::kF32, hidden.rows * hidden.cols) < 0) return;
  throw Error(ErrorCode::kNumeric, "calibration: the hidden states after layer " +
                                       std::to_string(block) + " are not finite");
}

}  // namespace

QuantizedEncoder quantize_encoder(Threads& threads, const EncoderModel& model,
                                  const EncoderRecipe& recipe, const Batch& calibration) {
  if (model.precision != Precision::kFloat32 || model.backend != Backend::kLinnet) {
    throw Error(ErrorCode::kInvalidArgument,
                "quantize: the model is not loaded in FP32 with linnet's own backend");
  }
  std::optional<BlockByBlock> blocks;
  if (recipe.is_calibrated()) {
    if (calibration.T() < kLeastCalibrationTokens) {
      throw Error(ErrorCode::kInvalidArgument, "calibration: " + std::to_string(calibration.T()) +
                                                   " tokens, expected at least " +
                                                   std::to_string(kLeastCalibrationTokens));
    }
    blocks.emplace(threads, model, calibration);
  }
  const FloatEnvironment environment;
  const Quantizer quantizer(threads, model, recipe);
  QuantizedEncoder quantized{.words = quantizer.words(), .blocks = {}};
  for (std::int64_t i = 0; i < model.config.layers(); ++i) {
    BlockInputs inputs;
    if (blocks) {
      inputs = blocks->next();
      check_finite(blocks->hidden(), i);
    }
    quantized.blocks.push_back(quantizer.block(i, inputs));
  }
  return quantized;
}

InstalledEncoder installed(Threads& threads, const EncoderModel& model,
                           const QuantizedEncoder& quantized) {
  Layout count;
  Places{count, quantized};
  InstalledEncoder to{.weights = model.weights, .memory = Block(count.bytes())};
  Layout layout(to.memory.data());
  const Places places(layout, quantized);
  std::vector<std::pair<const QuantizedLinear*, Linear*>> layers;
  for (std::size_t i = 0; i < quantized.blocks.size(); ++i) {
    const QuantizedBlock& from = quantized.blocks[i];
    EncoderLayer& block = to.weights.layers[i];
    layers.insert(layers.end(), {{&from.qkv, &block.qkv},
                                 {&from.attention_output, &block.attention_output},
                                 {&from.intermediate, &block.intermediate},
                                 {&from.output, &block.output}});
  }
  const auto count_of_layers = static_cast<std::int64_t>(layers.size());
  parallel_for(threads, count_of_layers, 1, [&](std::int64_t begin, std::int64_t end, int) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      install_layer(model.kernels, *layers[i].first, places.layers[i], *layers[i].second);
    }
  });
  const QuantizedRows& words = quantized.words;
  std::copy(words.q.begin(), words.q.end(), places.words);
  std::copy(words.scale.begin(), words.scale.end(), places.word_scale);
  EmbeddingTables& tables = to.weights.embeddings;
  tables.word = {};
  tables.word_s8 = {places.words, words.V, words.D, words.D};
  tables.word_scale = places.word_scale;
  return to;
}

Block install(Threads& threads, EncoderModel& model, const QuantizedEncoder& quantized) {
  InstalledEncoder to = installed(threads, model, quantized);
  model.weights = std::move(to.weights);
  model.precision = Precision::kInt8;
  return std::move(to.memory);
}

}  // namespace linnet::compress
