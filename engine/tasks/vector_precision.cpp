#include "engine/tasks/vector_precision.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "engine/core/assert.h"
#include "weights/base/error.h"

namespace linnet {
namespace {

constexpr std::int64_t kBitsOfByte = 8;

}  // namespace

VectorPrecision parse_vector_precision(std::string_view text) {
  for (const VectorPrecision p :
       {VectorPrecision::kFloat32, VectorPrecision::kInt8, VectorPrecision::kBinary}) {
    if (name(p) == text) return p;
  }
  throw Error(ErrorCode::kInvalidArgument, "precision of vectors: found \"" + std::string(text) +
                                               "\", expected float32, int8 or binary");
}

std::string_view name(VectorPrecision precision) {
  switch (precision) {
    case VectorPrecision::kFloat32:
      return "float32";
    case VectorPrecision::kInt8:
      return "int8";
    case VectorPrecision::kBinary:
      return "binary";
  }
  return "";
}

std::int64_t stored_values(VectorPrecision precision, std::int64_t D) {
  if (precision != VectorPrecision::kBinary) return D;
  if (D % kBitsOfByte != 0) {
    throw Error(ErrorCode::kInvalidArgument, "binary vectors: found " + std::to_string(D) +
                                                 " dimensions, expected a multiple of 8");
  }
  return D / kBitsOfByte;
}

void ValueRanges::include(std::span<const float> x) {
  if (empty()) {
    low.assign(x.begin(), x.end());
    high = low;
  }
  LINNET_ASSERT(low.size() == x.size());
  for (std::size_t d = 0; d < x.size(); ++d) {
    low[d] = std::min(low[d], x[d]);
    high[d] = std::max(high[d], x[d]);
  }
}

bool all_finite(std::span<const float> x) {
  return std::all_of(x.begin(), x.end(), [](float v) { return std::isfinite(v); });
}

void quantize_int8(std::span<std::int8_t> y, std::span<const float> x, const ValueRanges& ranges) {
  LINNET_ASSERT(y.size() == x.size() && ranges.low.size() == x.size());
  for (std::size_t d = 0; d < x.size(); ++d) {
    const float step = (ranges.high[d] - ranges.low[d]) / 255.0f;
    if (!(step > 0.0f) || !std::isfinite(step)) {
      y[d] = 0;
      continue;
    }
    const float q = (x[d] - ranges.low[d]) / step - 128.0f;
    // The cast cuts toward zero.
    y[d] = static_cast<std::int8_t>(std::clamp(q, -128.0f, 127.0f));
  }
}

void quantize_binary(std::span<std::int8_t> y, std::span<const float> x) {
  LINNET_ASSERT(y.size() * kBitsOfByte == x.size());
  for (std::size_t i = 0; i < y.size(); ++i) {
    int bits = 0;
    for (const float v : x.subspan(i * kBitsOfByte, kBitsOfByte)) bits = 2 * bits + (v > 0.0f);
    y[i] = static_cast<std::int8_t>(bits - 128);
  }
}

}  // namespace linnet
