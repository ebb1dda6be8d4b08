#pragma once

#include <cstdint>
#include <span>

namespace linnet {

/// Sequences packed end to end: nothing is padded. Sequence b is tokens [starts[b], starts[b+1]).
struct Batch {
  std::span<const std::int32_t> tokens;     // [T] rows of the word embeddings
  std::span<const std::int32_t> positions;  // [T] rows of the position embeddings
  std::span<const std::int32_t> types;      // [T] rows of the type embeddings; empty: all 0
  std::span<const std::int64_t> starts;     // [B+1], from 0 to T

  std::int64_t T() const { return static_cast<std::int64_t>(tokens.size()); }
  std::int64_t B() const { return static_cast<std::int64_t>(starts.size()) - 1; }
  std::int64_t length(std::int64_t b) const {
    return starts[static_cast<std::size_t>(b) + 1] - starts[static_cast<std::size_t>(b)];
  }
  std::int64_t longest() const;  // the greatest length
};

/// How many rows each embedding table has.
struct BatchLimits {
  std::int64_t vocab_size, positions, types;  // types: 0 where the model has no such table
};

/// Throws kInvalidArgument unless every sequence has a token, the spans agree in length, and every
/// id lies in its table.
void check(const Batch& batch, const BatchLimits& limits);

}  // namespace linnet
