#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/compress/rotation.h"
#include "engine/core/parallel.h"

// The weights of a linear layer in INT8 or in 4 bits, and the way back.
//
//   N outputs   K inputs   K64 = padded_k(K)   R rotation of a padded row   g = its gain()
namespace linnet::compress {

/// What is done to a layer's inputs before they are quantised: x[k]·r[k], then R.
struct LinearRecipe {
  Rotation rotation = {};
  std::vector<float> r;  // [K], finite, > 0; empty: all 1
};

/// How many bits a weight has. kFour: those of quantize_channel_s4(), which kernels of kInt4 read.
enum class WeightBits { kEight, kFour };

/// W'[n] = R(W[n,k] / r[k]) / g in INT8, one scale for each row, so that
///   x·Wᵀ = R(x·r)·W'ᵀ, about (R(x·r) in INT8)·(scale·q)ᵀ.
/// In 4 bits scale·q is scale·t·q with one t for each group of a row.
struct QuantizedLinear {
  std::int64_t N = 0, K = 0;
  std::vector<std::int8_t> q;  // [N, K64]; the columns from K on are not 0 if there is a rotation
  std::vector<float> scale;    // [N]
  LinearRecipe recipe = {};
  std::vector<std::int8_t> t = {};  // [N, K64/32] in 4 bits; empty: INT8

  std::int64_t ldq() const { return kernels::padded_k(K); }
  std::int64_t groups() const { return ldq() / kernels::kGroupS4; }
  WeightBits bits() const { return t.empty() ? WeightBits::kEight : WeightBits::kFour; }
  /// What the quantiser of the inputs has to do; it points into this.
  kernels::RowTransform transform() const {
    return {recipe.r.empty() ? nullptr : recipe.r.data(), recipe.rotation.n, recipe.rotation.thirds,
            recipe.rotation.in_lane};
  }
};

/// Throws kInvalidArgument unless the rotation is one for K inputs and r is [K] of finite numbers
/// above 0, or empty.
void check(const LinearRecipe& recipe, std::int64_t K);

/// to [K64] = W' of one row w [K] of the weights, in double.
void transform_weights(double* to, const float* w, std::int64_t K, const LinearRecipe& recipe);

/// Quantises w [N, K], which is finite: W' in double, then quantize_channel_s8() or
/// quantize_channel_s4() row by row. In INT8 without a rotation and r it is quantize_channels_s8(),
/// the rows padded with 0. Throws as check(), and kUnsupported for more K than exact sums of 4-bit
/// weights can have.
QuantizedLinear quantize_linear(Threads& threads, const float* w, std::int64_t N, std::int64_t K,
                                LinearRecipe recipe, WeightBits bits = WeightBits::kEight);

/// w [N, K] = the weights that the layer stands for: R⁻¹(scale·q)·g·r in double, rounded to
/// float once. In an INT8 layer without a rotation and r it is float(scale·q), and quantising it by
/// the same recipe gives the same q as long as a row holds a ±127; with a rotation the padded
/// columns and the rounding are lost, and quantising again gives another model close to this one.
void dequantize(Threads& threads, float* w, const QuantizedLinear& layer);

/// Rows of an embedding table in INT8.
struct QuantizedRows {
  std::int64_t V = 0, D = 0;
  std::vector<std::int8_t> q;  // [V, D]
  std::vector<float> scale;    // [V]
};

/// The rows of an embedding table w [V, D], which is finite: a plain quantize_linear() without the
/// padding.
QuantizedRows quantize_rows(Threads& threads, const float* w, std::int64_t V, std::int64_t D);

}  // namespace linnet::compress
