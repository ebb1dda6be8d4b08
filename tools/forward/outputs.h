#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <vector>

#include "engine/core/mat.h"
#include "tools/forward/padded_batch.h"
#include "weights/safetensors.h"

namespace linnet::tools {

/// The tensors of the output file with their values.
class OutputTensors {
 public:
  void add(const std::string& name, std::vector<std::int64_t> shape, std::vector<float> values) {
    const std::vector<float>& kept = values_.emplace_back(std::move(values));
    tensors_.push_back(
        {name, weights::DType::kF32, std::move(shape), std::as_bytes(std::span(kept))});
  }
  std::span<const weights::TensorToWrite> tensors() const { return tensors_; }

 private:
  std::deque<std::vector<float>> values_;  // never move once they are in
  std::vector<weights::TensorToWrite> tensors_;
};

/// A matrix with memory of its own; no memory for no columns.
struct Buffer {
  std::vector<float> values;
  Mat<float> mat;
  Buffer(std::int64_t rows, std::int64_t cols)
      : values(static_cast<std::size_t>(rows * cols)),
        mat{cols == 0 ? nullptr : values.data(), rows, cols, cols} {}
};

/// Multiple choice flattens its rows: hidden states are [B·choices, T, D].
inline std::vector<std::int64_t> token_shape(const PaddedBatch& batch, std::int64_t cols) {
  return {batch.rows(), batch.length(), cols};
}

/// Column c of [tokens, C] as [B, T].
inline std::vector<float> column(const PaddedBatch& batch, const Buffer& tokens, std::int64_t c) {
  return batch.unpack(Mat<const float>{tokens.mat.data + c, tokens.mat.rows, 1, tokens.mat.ld});
}

}  // namespace linnet::tools
