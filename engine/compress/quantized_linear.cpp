#include "engine/compress/quantized_linear.h"

#include <cmath>
#include <string>
#include <utility>

#include "engine/models/quantize_channels.h"
#include "engine/models/quantize_groups.h"
#include "weights/base/error.h"

namespace linnet::compress {
namespace {

constexpr std::int64_t kRowsOfAThread = 8;  // from which a thread brings more than it costs

}  // namespace

void check(const LinearRecipe& recipe, std::int64_t K) {
  const Rotation& rotation = recipe.rotation;
  if (!is_valid(rotation, K)) {
    throw Error(ErrorCode::kInvalidArgument,
                "recipe: a rotation with n = " + std::to_string(rotation.n) +
                    (rotation.thirds ? ", thirds" : "") + (rotation.in_lane ? ", in lanes" : "") +
                    " does not fit " + std::to_string(K) + " inputs");
  }
  if (recipe.r.empty()) return;
  if (recipe.r.size() != static_cast<std::size_t>(K)) {
    throw Error(ErrorCode::kInvalidArgument, "recipe: r has " + std::to_string(recipe.r.size()) +
                                                 " numbers, expected " + std::to_string(K));
  }
  for (const float r : recipe.r) {
    if (std::isfinite(r) && r > 0) continue;
    throw Error(ErrorCode::kInvalidArgument,
                "recipe: r has a " + std::to_string(r) + ", expected finite numbers above 0");
  }
}

void transform_weights(double* to, const float* w, std::int64_t K, const LinearRecipe& recipe) {
  const std::int64_t K64 = kernels::padded_k(K);
  const float* r = recipe.r.empty() ? nullptr : recipe.r.data();
  for (std::int64_t k = 0; k < K64; ++k) {
    to[k] = k >= K ? 0.0 : r != nullptr ? double{w[k]} / double{r[k]} : double{w[k]};
  }
  if (!recipe.rotation.any()) return;
  rotate(to, K64, recipe.rotation);
  const double gain = recipe.rotation.gain();
  for (std::int64_t k = 0; k < K64; ++k) to[k] /= gain;
}

QuantizedLinear quantize_linear(Threads& threads, const float* w, std::int64_t N, std::int64_t K,
                                LinearRecipe recipe, WeightBits bits) {
  check(recipe, K);
  if (bits == WeightBits::kFour && K > kernels::kMaxKS4) {
    throw Error(ErrorCode::kUnsupported, "weights of 4 bits: found " + std::to_string(K) +
                                             " inputs, expected at most " +
                                             std::to_string(kernels::kMaxKS4));
  }
  const std::int64_t K64 = kernels::padded_k(K);
  QuantizedLinear layer{.N = N, .K = K, .q = {}, .scale = {}, .recipe = std::move(recipe)};
  const std::int64_t groups = layer.groups();
  if (bits == WeightBits::kFour) layer.t.resize(static_cast<std::size_t>(N * groups));
  layer.q.resize(static_cast<std::size_t>(N * K64));
  layer.scale.resize(static_cast<std::size_t>(N));
  std::vector<double> rows(static_cast<std::size_t>(K64 * threads.count()));
  parallel_for(threads, N, kRowsOfAThread, [&](std::int64_t begin, std::int64_t end, int thread) {
    double* row = rows.data() + thread * K64;
    for (std::int64_t n = begin; n < end; ++n) {
      transform_weights(row, w + n * K, K, layer.recipe);
      std::int8_t* q = layer.q.data() + n * K64;
      layer.scale[static_cast<std::size_t>(n)] =
          bits == WeightBits::kFour ? quantize_channel_s4(q, layer.t.data() + n * groups, row, K64)
                                    : quantize_channel_s8(q, row, K64);
    }
  });
  return layer;
}

void dequantize(Threads& threads, float* w, const QuantizedLinear& layer) {
  const std::int64_t K = layer.K, K64 = layer.ldq();
  const LinearRecipe& recipe = layer.recipe;
  const double gain = recipe.rotation.any() ? recipe.rotation.gain() : 1;
  std::vector<double> rows(static_cast<std::size_t>(K64 * threads.count()));
  parallel_for(
      threads, layer.N, kRowsOfAThread, [&](std::int64_t begin, std::int64_t end, int thread) {
        double* row = rows.data() + thread * K64;
        for (std::int64_t n = begin; n < end; ++n) {
          const std::int8_t* q = layer.q.data() + n * K64;
          const double scale = double{layer.scale[static_cast<std::size_t>(n)]} * gain;
          const std::int8_t* t = layer.t.empty() ? nullptr : layer.t.data() + n * layer.groups();
          for (std::int64_t k = 0; k < K64; ++k) {
            row[k] = scale * q[k] * (t != nullptr ? t[k / kernels::kGroupS4] : 1);
          }
          unrotate(row, K64, recipe.rotation);
          for (std::int64_t k = 0; k < K; ++k) {
            const double r = recipe.r.empty() ? 1 : recipe.r[static_cast<std::size_t>(k)];
            w[n * K + k] = static_cast<float>(row[k] * r);
          }
        }
      });
}

QuantizedRows quantize_rows(Threads& threads, const float* w, std::int64_t V, std::int64_t D) {
  QuantizedRows rows{.V = V, .D = D, .q = {}, .scale = {}};
  rows.q.resize(static_cast<std::size_t>(V * D));
  rows.scale.resize(static_cast<std::size_t>(V));
  parallel_for(threads, V, kRowsOfAThread, [&](std::int64_t begin, std::int64_t end, int) {
    quantize_channels_s8(rows.q.data() + begin * D, rows.scale.data() + begin, w + begin * D,
                         end - begin, D);
  });
  return rows;
}

}  // namespace linnet::compress
