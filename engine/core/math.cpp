#include "engine/core/math.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace linnet::math {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
// ln 2 in two parts; the first has 32 trailing zero bits, so that n times it is exact.
constexpr double kLn2High = 0x1.62e42feep-1, kLn2Low = 0x1.a39ef35793c76p-33;
constexpr double kLog2E = 0x1.71547652b82fep+0;
// Adding it rounds to an integer, to nearest even, in the low bits of the sum.
constexpr double kRound = 0x1.8p52;

double power_of_two(std::int64_t n) {  // -1022 <= n <= 1023
  return std::bit_cast<double>(static_cast<std::uint64_t>(n + 1023) << 52);
}

// Taylor series on |r| <= π/4: the first terms left out are below 1e-17.
double sin_near_zero(double r) {
  const double r2 = r * r;
  double p = -1.0 / 1307674368000;
  for (const double factorial : {6227020800.0, -39916800.0, 362880.0, -5040.0, 120.0, -6.0}) {
    p = std::fma(p, r2, 1 / factorial);
  }
  return std::fma(p * r2, r, r);
}
double cos_near_zero(double r) {
  const double r2 = r * r;
  double p = 1.0 / 20922789888000;
  for (const double factorial : {-87178291200.0, 479001600.0, -3628800.0, 40320.0, -720.0, 24.0}) {
    p = std::fma(p, r2, 1 / factorial);
  }
  return std::fma(p * r2, r2, std::fma(-0.5, r2, 1));
}

// sin(x + quarters · π/2): x less its nearest multiple of π/2, which is taken off in three parts.
double sin_shifted(double x, std::int64_t quarters) {
  const double n = (x * 0x1.45f306dc9c883p-1 + kRound) - kRound;
  double r = std::fma(-n, 0x1.921fb54442d18p+0, x);
  r = std::fma(-n, 0x1.1a62633145c07p-54, r);
  r = std::fma(-n, -0x1.f1976b7ed8fbcp-110, r);
  const std::int64_t quadrant = (static_cast<std::int64_t>(n) + quarters) & 3;
  const double value = quadrant % 2 == 0 ? sin_near_zero(r) : cos_near_zero(r);
  return quadrant < 2 ? value : -value;
}

}  // namespace

double sin(double x) { return sin_shifted(x, 0); }
double cos(double x) { return sin_shifted(x, 1); }

double exp(double x) {
  if (x != x) return x;
  if (x > 709.782712893384) return kInf;
  if (x < -745.2) return 0;
  const double n = (x * kLog2E + kRound) - kRound;
  const double r = std::fma(-n, kLn2Low, std::fma(-n, kLn2High, x));  // |r| <= ln 2 / 2
  // Taylor series: the first term left out is r^14 / 14! < 5e-18.
  double p = 1.0 / 6227020800;
  for (const double factorial : {479001600.0, 39916800.0, 3628800.0, 362880.0, 40320.0, 5040.0,
                                 720.0, 120.0, 24.0, 6.0, 2.0}) {
    p = std::fma(p, r, 1 / factorial);
  }
  const double result = 1 + std::fma(p * r, r, r);
  // In two steps: 2^n itself leaves the normal range at both ends.
  const auto whole = static_cast<std::int64_t>(n), half = whole / 2;
  return result * power_of_two(half) * power_of_two(whole - half);
}

double log(double x) {
  if (x != x || x < 0) return std::numeric_limits<double>::quiet_NaN();
  if (x == 0) return -kInf;
  if (x == kInf) return kInf;
  std::int64_t e = 0;
  if (x < 0x1p-1022) {  // denormal
    x *= 0x1p54;
    e = -54;
  }
  const auto bits = std::bit_cast<std::uint64_t>(x);
  e += static_cast<std::int64_t>(bits >> 52) - 1023;
  double m = std::bit_cast<double>((bits & 0xFFFFFFFFFFFFFu) | 0x3FF0000000000000u);  // [1, 2)
  if (m > 1.4142135623730951) {
    m /= 2;
    ++e;
  }
  // log m = 2 atanh(f), f = (m - 1) / (m + 1), |f| <= 0.1716: the first term left out is below
  // 1e-18.
  const double f = (m - 1) / (m + 1), f2 = f * f;
  double p = 1.0 / 23;
  for (const double odd : {21.0, 19.0, 17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0}) {
    p = std::fma(p, f2, 1 / odd);
  }
  const auto n = static_cast<double>(e);
  // (m - 1) - f·(m - 1) = 2f up to rounding, with the rounding of f undone.
  const double d = m - 1;
  const double tail = std::fma(-f, d, 2 * f * f2 * p);  // log m - d
  return std::fma(n, kLn2High, d + std::fma(n, kLn2Low, tail));
}

double power(double x, std::int64_t n) {
  double p = 1;
  for (; n > 0; n /= 2, x *= x) {
    if (n % 2 == 1) p *= x;
  }
  return p;
}

double sigmoid(double x) {
  if (x >= 0) return 1 / (1 + exp(-x));
  const double e = exp(x);
  return e / (1 + e);
}

void softmax(double* y, const float* x, std::int64_t n) {
  const double max = *std::max_element(x, x + n);
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += y[i] = exp(static_cast<double>(x[i]) - max);
  for (std::int64_t i = 0; i < n; ++i) y[i] /= sum;
}

}  // namespace linnet::math
