#include "weights/number_formats.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace linnet::weights {
namespace {

template <class T>
T load(const std::byte* src, std::int64_t i) {
  T value;
  std::memcpy(&value, src + i * static_cast<std::int64_t>(sizeof(T)), sizeof(T));
  return value;
}
template <class T>
void store(std::byte* dst, std::int64_t i, T value) {
  std::memcpy(dst + i * static_cast<std::int64_t>(sizeof(T)), &value, sizeof(T));
}

// Half to float by arithmetic: the magnitude bits placed at the top of a float are 2^-112 of the
// value, also for denormals; infinities and NaN get the full exponent. No branch, so that it
// vectorises.
float half_to_float(std::uint16_t h) {
  const std::uint32_t magnitude = static_cast<std::uint32_t>(h & 0x7FFF) << 13;
  const auto scaled = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) * 0x1p112f);
  const std::uint32_t special = magnitude >= 0x0F800000u ? 0x7F800000u : 0;
  const std::uint32_t sign = static_cast<std::uint32_t>(h & 0x8000) << 16;
  return std::bit_cast<float>((scaled | special) | sign);
}

std::uint16_t float_to_half(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7FFFFFFF;
  if (magnitude > 0x7F800000)
    return static_cast<std::uint16_t>(sign | 0x7E00 | (bits >> 13 & 0x3FF));
  if (magnitude >= 0x477FF000) return static_cast<std::uint16_t>(sign | 0x7C00);  // 65520 and above
  if (magnitude <
      0x38800000) {  // below 2^-14: adding 0.5 rounds at 2^-24, the last bit of a denormal
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(shifted) - 0x3F000000));
  }
  const std::uint32_t odd = magnitude >> 13 & 1;
  return static_cast<std::uint16_t>(sign | ((magnitude - 0x38000000 + 0xFFF + odd) >> 13));
}

std::uint16_t float_to_bfloat(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  if ((bits & 0x7FFFFFFF) > 0x7F800000) return static_cast<std::uint16_t>(bits >> 16 | 0x40);
  return static_cast<std::uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

// The exponent of a NaN or infinity is all ones. Blocks are looked at as a whole, without a branch
// an element, and searched only when something is in them.
template <class T>
std::int64_t first_with_exponent(const std::byte* src, std::int64_t n, T mask) {
  constexpr std::int64_t kBlock = 1024;
  for (std::int64_t begin = 0; begin < n; begin += kBlock) {
    const std::int64_t end = std::min(begin + kBlock, n);
    T any = 0;
    for (std::int64_t i = begin; i < end; ++i) {
      any = static_cast<T>(any | static_cast<T>((load<T>(src, i) & mask) == mask));
    }
    if (any == 0) continue;
    for (std::int64_t i = begin; i < end; ++i) {
      if ((load<T>(src, i) & mask) == mask) return i;
    }
  }
  return -1;
}

}  // namespace

bool is_float(DType dtype) {
  return dtype == DType::kF16 || dtype == DType::kBF16 || dtype == DType::kF32 ||
         dtype == DType::kF64;
}

void to_f32(float* dst, const std::byte* src, DType dtype, std::int64_t n) {
  if (dtype == DType::kF32) {
    std::memcpy(dst, src, static_cast<std::size_t>(n) * sizeof(float));
  } else if (dtype == DType::kF16) {
    for (std::int64_t i = 0; i < n; ++i) dst[i] = half_to_float(load<std::uint16_t>(src, i));
  } else if (dtype == DType::kBF16) {
    for (std::int64_t i = 0; i < n; ++i) {
      dst[i] = std::bit_cast<float>(static_cast<std::uint32_t>(load<std::uint16_t>(src, i)) << 16);
    }
  } else {
    for (std::int64_t i = 0; i < n; ++i) dst[i] = static_cast<float>(load<double>(src, i));
  }
}

void from_f32(std::byte* dst, DType dtype, const float* x, std::int64_t n) {
  if (dtype == DType::kF32) {
    std::memcpy(dst, x, static_cast<std::size_t>(n) * sizeof(float));
  } else if (dtype == DType::kF16) {
    for (std::int64_t i = 0; i < n; ++i) store(dst, i, float_to_half(x[i]));
  } else {
    for (std::int64_t i = 0; i < n; ++i) store(dst, i, float_to_bfloat(x[i]));
  }
}

std::int64_t first_not_finite(const std::byte* src, DType dtype, std::int64_t n) {
  switch (dtype) {
    case DType::kF16:
      return first_with_exponent<std::uint16_t>(src, n, 0x7C00);
    case DType::kBF16:
      return first_with_exponent<std::uint16_t>(src, n, 0x7F80);
    case DType::kF32:
      return first_with_exponent<std::uint32_t>(src, n, 0x7F800000);
    default:
      return first_with_exponent<std::uint64_t>(src, n, 0x7FF0000000000000);
  }
}

}  // namespace linnet::weights
