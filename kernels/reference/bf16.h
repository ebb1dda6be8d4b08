#pragma once

#include <cstdint>

namespace linnet::kernels::reference {
namespace {

/// The upper half of the bits, rounded half to even; numbers below 2^-126 become ±0. A NaN is made
/// quiet, so that no rounding can carry it into an infinity.
inline std::uint16_t to_bf16(float x) {
  const auto bits = __builtin_bit_cast(std::uint32_t, x);
  const std::uint32_t magnitude = bits & 0x7FFFFFFF, upper = bits >> 16;
  if (magnitude > 0x7F800000) return static_cast<std::uint16_t>(upper | 0x40);
  if (magnitude < 0x00800000) return static_cast<std::uint16_t>(upper & 0x8000);
  return static_cast<std::uint16_t>((bits + 0x7FFF + (upper & 1)) >> 16);
}

inline float from_bf16(std::uint16_t x) {
  return __builtin_bit_cast(float, std::uint32_t{x} << 16);
}

}  // namespace
}  // namespace linnet::kernels::reference
