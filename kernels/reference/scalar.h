#pragma once

#include <cstdint>

#include "kernels/formulas.h"

namespace linnet::kernels::reference {
namespace {

/// The primitives of kernels/formulas.h for one float.
struct Scalar {
  using V = float;
  static float splat(float c) { return c; }
  static float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
  static float negated_fma(float a, float b, float c) { return __builtin_fmaf(-a, b, c); }
  static float min(float a, float b) { return a < b ? a : b; }
  static float max(float a, float b) { return a > b ? a : b; }
  static float sqrt(float a) { return __builtin_sqrtf(a); }
  static float abs(float a) { return __builtin_fabsf(a); }
  static float copysign(float magnitude, float sign) {
    return __builtin_copysignf(magnitude, sign);
  }
  static float select_less(float a, float b, float yes, float no) { return a < b ? yes : no; }
  static float scale(float p, float t) {
    // The low bits of t are n; 2^n has the exponent field n + 127.
    const auto bits = (__builtin_bit_cast(std::uint32_t, t) + 127) << 23;
    return p * __builtin_bit_cast(float, bits);
  }
};

/// The partial sums of a row reduction: element i goes into p[i mod 16].
struct Partials {
  float p[16] = {};

  /// p[j] += p[j+8] for j < 8, then +4, +2, +1.
  float sum() {
    for (int half = 8; half > 0; half /= 2) {
      for (int j = 0; j < half; ++j) p[j] += p[j + half];
    }
    return p[0];
  }
};

constexpr std::uint32_t kMagnitude = 0x7FFFFFFF;

/// The greatest |x| by its bits: no order of comparisons shows, and a NaN is greater than all.
inline std::uint32_t greatest(const float* x, std::int64_t K) {
  std::uint32_t most = 0;
  for (std::int64_t k = 0; k < K; ++k) {
    const std::uint32_t magnitude = __builtin_bit_cast(std::uint32_t, x[k]) & kMagnitude;
    if (magnitude > most) most = magnitude;
  }
  return most;
}

}  // namespace
}  // namespace linnet::kernels::reference
