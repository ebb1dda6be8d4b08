#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace linnet {

/// What the values of an embedding become: as they are, a byte each, or a bit each.
enum class VectorPrecision { kFloat32, kInt8, kBinary };

/// "float32", "int8", "binary". Throws kInvalidArgument.
VectorPrecision parse_vector_precision(std::string_view text);
std::string_view name(VectorPrecision precision);

/// Values that a row of D floats becomes. Throws kInvalidArgument for binary unless D is a multiple
/// of 8.
std::int64_t stored_values(VectorPrecision precision, std::int64_t D);

/// The least and the greatest value of each dimension, [D] each; empty before the first row.
struct ValueRanges {
  std::vector<float> low;
  std::vector<float> high;

  bool empty() const { return low.empty(); }
  /// Widens the ranges by a row [D].
  void include(std::span<const float> x);
};

/// True if no value is NaN or infinite: only such rows have a place in ranges.
bool all_finite(std::span<const float> x);

/// y[d] = trunc((x[d] - low[d]) / step[d] - 128), step = (high - low) / 255, in float; kept in
/// [-128, 127] where x lies outside the ranges, and 0 where the range is a point or wider than a
/// float. All are [D].
/// Source: quantize_embeddings of sentence-transformers, precision int8 (which wraps around outside
/// the ranges, and leaves a range of one point to the machine).
void quantize_int8(std::span<std::int8_t> y, std::span<const float> x, const ValueRanges& ranges);

/// y[i] = the bits x[8i] > 0 .. x[8i+7] > 0, the first as the highest, less 128. x is [D], y [D/8].
/// Source: quantize_embeddings of sentence-transformers, precision binary.
void quantize_binary(std::span<std::int8_t> y, std::span<const float> x);

}  // namespace linnet
