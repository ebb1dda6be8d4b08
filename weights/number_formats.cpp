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

// The conversions touch no denormal float but in integer registers: a host that flushes denormals
// to zero gets the same bits.

// The exponent is shifted to the float's bias. A denormal gets the exponent of the smallest normal,
// which puts 2^-14 before its fraction, and 2^-14 is taken off again: exact. No branch and no
// choice between float expressions, so that it vectorises.
float half_to_float(std::uint16_t h) {
  const std::uint32_t exponent = h & 0x7C00u, fraction_too = (h & 0x7FFFu) << 13;
  const std::uint32_t if_denormal = exponent == 0 ? ~0u : 0;
  const std::uint32_t if_special = exponent == 0x7C00u ? ~0u : 0;  // infinities and NaN
  const std::uint32_t shift = (112u << 23) + (if_denormal & 1u << 23) + (if_special & 112u << 23);
  const auto hidden = std::bit_cast<float>(if_denormal & std::bit_cast<std::uint32_t>(0x1p-14f));
  const float magnitude = std::bit_cast<float>(fraction_too + shift) - hidden;
  const std::uint32_t sign = (h & 0x8000u) << 16;
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(magnitude) | sign);
}

// m / 2^shift to the nearest integer, ties to even; 1 <= shift <= 63.
std::uint64_t shift_to_nearest(std::uint64_t m, std::uint64_t shift) {
  const std::uint64_t whole = m >> shift, half = std::uint64_t{1} << (shift - 1);
  const std::uint64_t rest = m & (2 * half - 1);
  return whole + (rest > half || (rest == half && whole % 2 == 1) ? 1 : 0);
}

std::uint16_t float_to_half(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7FFFFFFF;
  if (magnitude > 0x7F800000)
    return static_cast<std::uint16_t>(sign | 0x7E00 | (bits >> 13 & 0x3FF));
  if (magnitude >= 0x477FF000) return static_cast<std::uint16_t>(sign | 0x7C00);  // 65520 and above
  if (magnitude >= 0x38800000) {                                                  // 2^-14, normal
    return static_cast<std::uint16_t>(sign | shift_to_nearest(magnitude - 0x38000000, 13));
  }
  const std::uint32_t exponent = magnitude >> 23;
  if (exponent < 102) return static_cast<std::uint16_t>(sign);  // below 2^-25
  // In units of 2^-24, the smallest half: mantissa * 2^(exponent - 150 + 24).
  const std::uint64_t mantissa = (magnitude & 0x7FFFFF) | 0x800000;
  return static_cast<std::uint16_t>(sign | shift_to_nearest(mantissa, 126 - exponent));
}

float double_to_float(double x) {
  const auto bits = std::bit_cast<std::uint64_t>(x);
  const std::uint64_t exponent = bits >> 52 & 0x7FF;
  if (exponent >= 1023 - 126) return static_cast<float>(x);
  const std::uint64_t sign = bits >> 63 << 31;
  if (exponent < 1023 - 150) return std::bit_cast<float>(static_cast<std::uint32_t>(sign));
  // In units of 2^-149, the smallest float: mantissa * 2^(exponent - 1075 + 149).
  const std::uint64_t mantissa = (bits & 0xFFFFFFFFFFFFF) | std::uint64_t{1} << 52;
  return std::bit_cast<float>(
      static_cast<std::uint32_t>(sign | shift_to_nearest(mantissa, 926 - exponent)));
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
    for (std::int64_t i = 0; i < n; ++i) dst[i] = double_to_float(load<double>(src, i));
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

void convert(std::byte* dst, DType to, const std::byte* src, DType from, std::int64_t n) {
  constexpr std::int64_t kPiece = 1024;
  const std::int64_t from_size = bits(from) / 8, to_size = bits(to) / 8;
  if (from == to) {
    if (n > 0) std::memcpy(dst, src, static_cast<std::size_t>(n * to_size));
    return;
  }
  float piece[kPiece];
  for (std::int64_t done = 0; done < n; done += kPiece) {
    const std::int64_t m = std::min(kPiece, n - done);
    to_f32(piece, src + done * from_size, from, m);
    std::byte* const out = dst + done * to_size;
    if (to != DType::kF64) {
      from_f32(out, to, piece, m);
      continue;
    }
    for (std::int64_t i = 0; i < m; ++i) {
      const double wide = piece[i];
      std::memcpy(out + i * to_size, &wide, sizeof wide);
    }
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
