#pragma once

#include "kernels/reference/scalar.h"

namespace linnet::kernels::reference {
namespace {

/// v[i][t] = block[16·i + t], i < n: the butterflies of a Hadamard matrix of order n.
inline void rotate_block(float* block, std::int64_t n) {
  for (std::int64_t h = 1; h < n; h *= 2) {
    for (std::int64_t i = 0; i < n; ++i) {
      if ((i & h) != 0) continue;
      for (std::int64_t t = 0; t < 16; ++t) {
        float &a = block[16 * i + t], &b = block[16 * (i + h) + t];
        const float sum = a + b, difference = a - b;
        a = sum, b = difference;
      }
    }
  }
}

inline void rotate_in_lane(float* v) {
  for (std::int64_t S = 1; S < 16; S *= 2) {
    float y[16];
    for (std::int64_t t = 0; t < 16; ++t) y[t] = ((t & S) != 0 ? -v[t] : v[t]) + v[t ^ S];
    for (std::int64_t t = 0; t < 16; ++t) v[t] = y[t];
  }
}

/// y [padded_k(K)] = transform of x [K]: RowTransform. y may be x.
inline void transform_row(float* y, const float* x, std::int64_t K, const RowTransform& f) {
  const std::int64_t padded = padded_k(K), third = padded / 3;
  for (std::int64_t k = 0; k < padded; ++k) {
    y[k] = k >= K ? 0.0f : f.r != nullptr ? x[k] * f.r[k] : x[k];
  }
  if (f.n == 0) return;
  for (std::int64_t k = 0; k < padded; k += 16 * f.n) rotate_block(y + k, f.n);
  for (std::int64_t j = 0; f.thirds && j < third; ++j) {
    float &a = y[j], &b = y[third + j], &c = y[2 * third + j];
    const float s = (a + b) + c;
    a = Scalar::fma(s, kMinusTwoThirds, a);
    b = Scalar::fma(s, kMinusTwoThirds, b);
    c = Scalar::fma(s, kMinusTwoThirds, c);
  }
  for (std::int64_t k = 0; f.in_lane && k < padded; k += 16) rotate_in_lane(y + k);
}

}  // namespace
}  // namespace linnet::kernels::reference
