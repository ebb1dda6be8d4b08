#pragma once

#include <span>

#include "engine/core/layout.h"
#include "engine/core/parallel.h"
#include "engine/ops/linear.h"
#include "weights/safetensors.h"

namespace linnet {

/// Where a packed linear layer goes.
struct LinearPlace {
  float* packed = nullptr;
  float* bias = nullptr;
  std::int64_t N = 0, K = 0;

  LinearPlace() = default;
  LinearPlace(Layout& layout, const kernels::GemmF32& gemm, std::int64_t rows, std::int64_t cols)
      : packed(layout.mat(1, gemm.packed_floats(rows, cols)).data),
        bias(layout.mat(1, rows).data),
        N(rows),
        K(cols) {}
  Linear view() const { return {packed, bias, N, K}; }
};

/// Packs the weights [N, K] of a layer, given as float tensors [n_i, K] one below the other.
void pack_linear(const kernels::GemmF32& gemm, Threads& threads, const LinearPlace& place,
                 std::span<const weights::TensorView> parts);

}  // namespace linnet
