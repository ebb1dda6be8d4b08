#pragma once

#include <cstdint>

#include "kernels/ops.h"

// The operations in double, written once for every width. Ops is the level's access to a vector of
// doubles (in its doubles.cpp):
//   V, kWidth                    the vector and its elements
//   splat, fma, negated_fma      as those of kernels/formulas.h
//   select_less(a, b, yes, no)   a < b ? yes : no
//   scale(p, n)                  p · 2^n, rounded once, for p in 0.7 to 1.5 and whole n in -1076 to
//                                1024; something, whatever it is, for any other n
//   load, store                  of doubles; widen(p): of floats
namespace linnet::kernels {
namespace {

/// math::exp of engine/core/math.h, to the bit. Taylor series on |r| <= ln 2 / 2: the first term
/// left out is r^14 / 14! < 5e-18.
template <class Ops>
[[gnu::always_inline]] inline typename Ops::V exp_of_doubles(typename Ops::V x) {
  using V = typename Ops::V;
  // ln 2 in two parts; the first has 32 trailing zero bits, so that n times it is exact.
  constexpr double kLn2High = 0x1.62e42feep-1, kLn2Low = 0x1.a39ef35793c76p-33;
  constexpr double kLog2E = 0x1.71547652b82fep+0;
  constexpr double kRound = 0x1.8p52;  // adding it rounds to an integer
  constexpr double kInverseFactorials[] = {
      1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320, 1.0 / 5040,
      1.0 / 720,       1.0 / 120,      1.0 / 24,      1.0 / 6,      1.0 / 2};
  const V n = (x * Ops::splat(kLog2E) + Ops::splat(kRound)) - Ops::splat(kRound);
  const V r =
      Ops::negated_fma(n, Ops::splat(kLn2Low), Ops::negated_fma(n, Ops::splat(kLn2High), x));
  V p = Ops::splat(1.0 / 6227020800);
#pragma GCC unroll 16
  for (const double inverse : kInverseFactorials) p = Ops::fma(p, r, Ops::splat(inverse));
  const V e = Ops::scale(Ops::splat(1.0) + Ops::fma(p * r, r, r), n);
  const V infinity = Ops::splat(__builtin_inf());
  const V bounded = Ops::select_less(x, Ops::splat(-745.2), Ops::splat(0.0), e);
  return Ops::select_less(Ops::splat(709.782712893384), x, infinity, bounded);
}

template <class Ops>
void exp_doubles(double* x, std::int64_t n) {
  std::int64_t i = 0;
  for (; i + Ops::kWidth <= n; i += Ops::kWidth) {
    Ops::store(x + i, exp_of_doubles<Ops>(Ops::load(x + i)));
  }
  if (i == n) return;
  double last[Ops::kWidth] = {};
  for (std::int64_t j = 0; i + j < n; ++j) last[j] = x[i + j];
  Ops::store(last, exp_of_doubles<Ops>(Ops::load(last)));
  for (std::int64_t j = 0; i + j < n; ++j) x[i + j] = last[j];
}

template <class Ops>
double row_sum_of_squares(const float* x, std::int64_t n) {
  constexpr int kVectors = 16 / Ops::kWidth;
  typename Ops::V p[kVectors];
  for (auto& vector : p) vector = Ops::splat(0.0);
  const auto add = [&p](const float* from) {
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) {
      const typename Ops::V value = Ops::widen(from + v * Ops::kWidth);
      p[v] = Ops::fma(value, value, p[v]);
    }
  };
  std::int64_t i = 0;
  for (; i + 16 <= n; i += 16) add(x + i);
  if (i < n) {
    float last[16] = {};  // a partial plus 0² is the partial
    for (std::int64_t j = 0; i + j < n; ++j) last[j] = x[i + j];
    add(last);
  }
  double partials[16];
  for (int v = 0; v < kVectors; ++v) Ops::store(partials + v * Ops::kWidth, p[v]);
  for (int half = 8; half > 0; half /= 2) {
    for (int j = 0; j < half; ++j) partials[j] += partials[j + half];
  }
  return partials[0];
}

template <class Ops>
void sums_of_squares(double* sums, const float* x, std::int64_t M, std::int64_t D) {
  for (std::int64_t m = 0; m < M; ++m) sums[m] = row_sum_of_squares<Ops>(x + m * D, D);
}

}  // namespace
}  // namespace linnet::kernels
