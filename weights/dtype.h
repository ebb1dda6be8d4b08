#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace linnet::weights {

/// The element types of safetensors files.
enum class DType : std::uint8_t {
  kBool,
  kF4,
  kF6E2M3,
  kF6E3M2,
  kU8,
  kI8,
  kF8E5M2,
  kF8E4M3,
  kF8E8M0,
  kF8E4M3Fnuz,
  kF8E5M2Fnuz,
  kI16,
  kU16,
  kF16,
  kBF16,
  kI32,
  kU32,
  kF32,
  kC64,
  kF64,
  kI64,
  kU64,
};

/// The name in a file, e.g. "BF16".
const char* name(DType dtype);

/// The type with this exact name, if there is one.
std::optional<DType> parse_dtype(std::string_view text);

/// Bits of one element: 4 to 64.
int bits(DType dtype);

}  // namespace linnet::weights
