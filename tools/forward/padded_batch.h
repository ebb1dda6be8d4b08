#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/core/batch.h"
#include "engine/core/mat.h"
#include "weights/safetensors.h"

namespace linnet::tools {

/// One batch of a file of inputs as frameworks give it: ids [..., T] with a mask. Real tokens are
/// packed end to end for the engine; outputs go back to their places among the masked ones.
class PaddedBatch {
 public:
  /// Reads PREFIX.input_ids and the optional attention_mask, token_type_ids and position_ids.
  /// Throws kFormat naming the tensor for wrong types and shapes, values beyond 32 bits, masks that
  /// are not 0 or 1, and rows without a real token.
  PaddedBatch(const weights::Safetensors& file, const std::string& prefix);

  Batch packed() const { return {tokens_, positions_, types_, starts_}; }

  /// The shape of the ids without T: [B], or [B, choices].
  std::vector<std::int64_t> leading() const { return {shape_.begin(), shape_.end() - 1}; }
  std::int64_t rows() const { return static_cast<std::int64_t>(starts_.size()) - 1; }
  std::int64_t length() const { return shape_.back(); }
  /// Where each packed token stands: row · length() + column.
  const std::vector<std::int64_t>& places() const { return places_; }

  /// [rows · T, C]: the packed rows [tokens, C] in their places, zeros where the mask is 0.
  std::vector<float> unpack(Mat<const float> packed) const;

 private:
  std::vector<std::int64_t> shape_;
  std::vector<std::int32_t> tokens_, positions_, types_;
  std::vector<std::int64_t> starts_{0};
  std::vector<std::int64_t> places_;  // of each packed token among all
};

/// The prefixes of the batches in a file: "" for names without one, else "b0.", "b1.", … in order.
std::vector<std::string> batch_prefixes(const weights::Safetensors& file);

}  // namespace linnet::tools
