#pragma once

#include <cstddef>

#include "engine/backends/onednn.h"
#include "engine/core/context.h"
#include "engine/core/mat.h"

namespace linnet {

/// What a layer's weights are, and so which product reads them.
enum class LinearKind {
  kFloat32,         ///< KernelTable::gemm_f32
  kBfloat16,        ///< KernelTable::gemm_bf16; x is rounded in Context::scratch
  kInt8,            ///< KernelTable::gemm_s8; x is quantised in Context::scratch
  kInt4,            ///< KernelTable::gemm_s4; x as for kInt8
  kOneDnnFloat32,   ///< a layer of the oneDNN plug-in
  kOneDnnBfloat16,  ///< the same; x is rounded in Context::scratch
  kOneDnnInt8,      ///< the same; x is quantised in Context::scratch. The bits of kInt8
};

constexpr bool is_onednn(LinearKind kind) {
  return kind == LinearKind::kOneDnnFloat32 || kind == LinearKind::kOneDnnBfloat16 ||
         kind == LinearKind::kOneDnnInt8;
}

/// A dense layer: weight [N, K], packed as its kind says for the level it was loaded at (see
/// models/pack_linear.h), and bias [N] or null. oneDNN holds all of its layers.
struct Linear {
  const std::byte* packed = nullptr;
  const float* bias = nullptr;
  std::int64_t N = 0, K = 0;
  LinearKind kind = LinearKind::kFloat32;
  const float* scale = nullptr;           // [N], of kInt8 and kInt4
  const onednn::Layer* onednn = nullptr;  // of the kinds that are oneDNN's
  /// What is done to a row of x before it is quantised, and was done to the rows of the weight; of
  /// kInt8 and kInt4.
  kernels::RowTransform transform = {};
};

/// Bytes of Context::scratch that a layer of this kind needs on `threads` threads for T tokens and
/// K inputs; 0: none.
constexpr std::int64_t linear_scratch_bytes(LinearKind kind, int threads, std::int64_t T,
                                            std::int64_t K) {
  switch (kind) {
    case LinearKind::kFloat32:
    case LinearKind::kOneDnnFloat32:
      return 0;
    case LinearKind::kBfloat16:
    case LinearKind::kOneDnnBfloat16:
      return T * kernels::padded_k_bf16(K) * 2;
    case LinearKind::kInt8:
    case LinearKind::kInt4:
    case LinearKind::kOneDnnInt8:  // a transformed row for each thread, the rows, their scales
      return threads * kernels::padded_k(K) * 4 + T * kernels::padded_k(K) + (T + 15) / 16 * 64;
  }
  return 0;
}

/// The rows of x [T, K] as one layer's product reads them: for INT8 and BF16 also quantised or
/// rounded.
struct Operand {
  Operand() = default;  // four numbers in braces are a Mat, not an operand
  Mat<const float> x;
  LinearKind kind = LinearKind::kFloat32;
  std::byte* rows = nullptr;  // [T, ld] elements of the kind
  std::int64_t ld = 0;
  float* scale = nullptr;  // [T], of INT8
  std::uint8_t shift = 0;  // of the bytes of INT8: GemmS8::shift for kInt8, else 0

  std::uint8_t* quantised(std::int64_t t) const {
    return reinterpret_cast<std::uint8_t*>(rows) + t * ld;
  }
  std::uint16_t* rounded(std::int64_t t) const {
    return reinterpret_cast<std::uint16_t*>(rows) + t * ld;
  }
  /// Rows [begin, end).
  Operand slice_rows(std::int64_t begin, std::int64_t end) const;
};

/// Where the operand of x for `consumer` lies in memory of linear_scratch_bytes(). Computes
/// nothing.
Operand place_operand(const Context& ctx, const Scratch& memory, Mat<const float> x,
                      const Linear& consumer);

/// x as `consumer` reads it, in ctx.scratch until the next operand is made there: transformed and
/// quantised, rounded, or as it is. Two layers of one kind and one transform may read one operand.
/// An activation, for INT8 only, comes first: over whole rows it costs less than in an epilogue.
Operand prepare(const Context& ctx, Mat<const float> x, const Linear& consumer,
                kernels::Activation activation = kernels::Activation::kNone);

/// What follows the product, in this order: bias, activation, residual + y.
struct LinearEpilogue {
  kernels::Activation activation = kernels::Activation::kNone;
  Mat<const float> residual{};  // [T, N], may be y itself; no data: none
};

/// y [T, N] = x [T, K] · weightᵀ + bias, then the epilogue. Throws kUnsupported with oneDNN's
/// reason when oneDNN refuses one of its layers.
void linear(const Context& ctx, Mat<float> y, const Operand& x, const Linear& w,
            const LinearEpilogue& epilogue = {});
void linear(const Context& ctx, Mat<float> y, Mat<const float> x, const Linear& w,
            const LinearEpilogue& epilogue = {});

}  // namespace linnet
