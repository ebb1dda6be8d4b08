// Dimension key: T tokens of all sequences, packed   E model width   N outputs   K inputs
#include "engine/compress/gpt2_quality.h"

#include <algorithm>
#include <array>
#include <deque>
#include <string>

#include "engine/compress/compare_layers.h"
#include "engine/core/float_environment.h"
#include "weights/base/error.h"

namespace linnet::compress {
namespace {

constexpr std::array<const char*, 5> kNames{"attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj",
                                            "lm_head"};

std::array<Linear*, 4> layers_of(Gpt2Block& block) {
  return {&block.attn_c_attn, &block.attn_c_proj, &block.mlp_c_fc, &block.mlp_c_proj};
}

// The weights of a model with quantised layers laid over its own.
struct Installed {
  Gpt2Weights weights;
  std::deque<Block> memory;

  Installed(const Gpt2Model& model, const QuantizedUnits& quantized) : weights(model.weights) {
    std::size_t unit = 0;
    for (Gpt2Block& block : weights.h) {
      for (Linear* layer : layers_of(block)) {
        install(model.kernels, quantized.layers[unit++], *layer);
      }
    }
    if (unit < quantized.layers.size()) {
      install(model.kernels, quantized.layers[unit], weights.lm_head);
    }
    if (quantized.words) install_rows(*quantized.words);
    if (!quantized.words && weights.lm_head.kind != LinearKind::kFloat32) {
      weights.embeddings.word = {};
      weights.embeddings.word_packed = weights.lm_head;
    }
  }

 private:
  void install(const kernels::KernelTable& kernels, const QuantizedLinear& from, Linear& to) {
    if (from.N == 0) return;
    const bool four = from.bits() == WeightBits::kFour;
    const LinearKind kind = four ? LinearKind::kInt4 : LinearKind::kInt8;
    const std::int64_t bytes = (packed_bytes_integer(kind, from.N, from.K) + 63) / 64 * 64;
    const Block& block =
        memory.emplace_back(bytes + from.N * static_cast<std::int64_t>(sizeof(float)));
    auto* packed = reinterpret_cast<std::int8_t*>(block.data());
    if (four) {
      kernels.pack_s4(packed, from.q.data(), from.t.data(), from.K, 0, from.N);
    } else {
      kernels.pack_s8(packed, from.q.data(), from.ldq(), 1, from.ldq(), 0, from.N);
    }
    auto* scale = reinterpret_cast<float*>(block.data() + bytes);
    std::copy(from.scale.begin(), from.scale.end(), scale);
    to.packed = block.data();
    to.scale = scale;
    to.kind = kind;
    to.transform = from.transform();
  }

  void install_rows(const QuantizedRows& words) {
    weights.embeddings.word = {};
    weights.embeddings.word_s8 = {words.q.data(), words.V, words.D, words.D};
    weights.embeddings.word_scale = words.scale.data();
  }
};

std::int64_t longest(const Gpt2Config& c, const Batch& batch) {
  check(batch, {c.vocab_size, c.n_positions, 0});
  std::int64_t length = 0;
  for (std::int64_t b = 0; b < batch.B(); ++b) length = std::max(length, batch.length(b));
  if (length <= c.n_positions) return length;
  throw Error(ErrorCode::kInvalidArgument, "batch: a sequence has " + std::to_string(length) +
                                               " tokens, expected at most " +
                                               std::to_string(c.n_positions));
}

}  // namespace

StepQuality measure_gpt2_quality(Threads& threads, const Gpt2Model& exact,
                                 const QuantizedUnits& quantized, const Batch& batch) {
  const FloatEnvironment environment;
  const Gpt2Config& c = exact.config;
  Installed int8(exact, quantized);
  Gpt2Weights before = exact.weights;
  const std::int64_t most = longest(c, batch), T = batch.T();
  Placed<Gpt2Scratch> a(c, exact.kernels, LinearKind::kFloat32, threads.count(), T, most);
  Placed<Gpt2Scratch> b(c, exact.kernels, LinearKind::kInt8, threads.count(), T, most);
  LayerProducts products(threads, exact.kernels,
                         std::max({3 * c.n_embd, c.n_inner, before.lm_head.N}),
                         std::max(c.n_embd, c.n_inner));
  StepQuality quality;
  quality.step = "all";
  const auto add = [&](std::int64_t block, std::int64_t unit, Mat<const float> x,
                       const Linear& mine, const Linear& theirs) {
    quality.layers.push_back(
        {block, kNames[static_cast<std::size_t>(unit)], products.snr_db(x, mine, theirs)});
  };
  const auto inputs = [&](std::int64_t layer, std::int64_t unit, Mat<const float> x) {
    const auto i = static_cast<std::size_t>(layer), u = static_cast<std::size_t>(unit);
    add(layer, unit, x, *layers_of(before.h[i])[u], *layers_of(int8.weights.h[i])[u]);
  };
  const Mat<const float> want =
      decode({exact.kernels, threads, a->linear}, c, before, *a, batch, {}, {{}, inputs});
  if (before.lm_head.N > 0) add(c.n_layer, 4, want, before.lm_head, int8.weights.lm_head);
  const Mat<const float> got =
      decode({exact.kernels, threads, b->linear}, c, int8.weights, *b, batch, {});
  const OutputCosines cosines = compare_outputs(batch, want, got);
  quality.mean_cosine = cosines.mean;
  quality.least_cosine = cosines.least;
  return quality;
}

}  // namespace linnet::compress
