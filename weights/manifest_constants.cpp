// What frameworks store beside the weights: buffers whose content is known.
#include <cstring>

#include "weights/manifest.h"
#include "weights/number_formats.h"
#include "weights/safetensors.h"

namespace linnet::weights {
namespace {

// No buffer of a model we know is larger: a mask of 4096 positions in F32.
constexpr std::int64_t kMostBytes = std::int64_t{64} << 20;

// One number in a type; nothing where the type is none for buffers.
std::optional<std::string> element(double value, DType dtype) {
  const auto bytes_as = [](auto number) {
    return std::string(reinterpret_cast<const char*>(&number), sizeof number);
  };
  switch (dtype) {
    case DType::kBool:
    case DType::kU8:
      return bytes_as(static_cast<std::uint8_t>(value));
    case DType::kI32:
      return bytes_as(static_cast<std::int32_t>(value));
    case DType::kI64:
      return bytes_as(static_cast<std::int64_t>(value));
    case DType::kF16:
    case DType::kBF16:
    case DType::kF32: {
      const auto narrow = static_cast<float>(value);
      std::string out(static_cast<std::size_t>(bits(dtype) / 8), '\0');
      from_f32(reinterpret_cast<std::byte*>(out.data()), dtype, &narrow, 1);
      return out;
    }
    default:
      return std::nullopt;
  }
}

bool is_integer(DType dtype) { return dtype == DType::kI32 || dtype == DType::kI64; }

}  // namespace

std::optional<std::string> constant_of(std::string_view name, DType dtype,
                                       const std::vector<std::int64_t>& shape) {
  const auto size = bytes_of(dtype, shape);
  if (!size || *size < 0 || *size > kMostBytes || shape.size() > 4) return std::nullopt;
  const std::int64_t columns = shape.empty() ? 1 : shape.back();
  const std::int64_t rows_of_mask = shape.size() == 4 ? shape[2] : 0;
  double (*value)(std::int64_t row, std::int64_t column) = nullptr;
  if (name.ends_with("position_ids") && is_integer(dtype)) {
    value = [](std::int64_t, std::int64_t j) { return static_cast<double>(j); };
  } else if (name.ends_with("token_type_ids") && is_integer(dtype)) {
    value = [](std::int64_t, std::int64_t) { return 0.0; };
  } else if (name.ends_with("attn.masked_bias") && shape.empty() && is_float(dtype)) {
    value = [](std::int64_t, std::int64_t) { return -1e4; };
  } else if (name.ends_with("attn.bias") && shape.size() == 4) {
    value = [](std::int64_t i, std::int64_t j) { return j <= i ? 1.0 : 0.0; };
  }
  if (value == nullptr || !element(0, dtype)) return std::nullopt;
  std::string bytes;
  bytes.reserve(static_cast<std::size_t>(*size));
  for (std::int64_t row = 0; static_cast<std::int64_t>(bytes.size()) < *size; ++row) {
    const std::int64_t i = rows_of_mask > 0 ? row % rows_of_mask : row;
    for (std::int64_t j = 0; j < columns; ++j) bytes += *element(value(i, j), dtype);
  }
  return bytes;
}

}  // namespace linnet::weights
