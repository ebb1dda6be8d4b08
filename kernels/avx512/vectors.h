#pragma once

#include "kernels/avx512/vec.h"

namespace linnet::kernels::avx512 {
namespace {

/// N vectors in step: the chain of operations of one activation is too long for the processor to
/// reach the next vector by itself.
template <int N>
struct Vectors {
  __m512 v[N];
};

/// {f(0), f(1), ...}
template <int N, class F>
[[gnu::always_inline]] inline Vectors<N> each(F f) {
  Vectors<N> all;
#pragma GCC unroll 8
  for (int i = 0; i < N; ++i) all.v[i] = f(i);
  return all;
}
template <int N>
[[gnu::always_inline]] inline Vectors<N> operator+(const Vectors<N>& a, const Vectors<N>& b) {
  return each<N>([&](int i) { return a.v[i] + b.v[i]; });
}
template <int N>
[[gnu::always_inline]] inline Vectors<N> operator-(const Vectors<N>& a, const Vectors<N>& b) {
  return each<N>([&](int i) { return a.v[i] - b.v[i]; });
}
template <int N>
[[gnu::always_inline]] inline Vectors<N> operator*(const Vectors<N>& a, const Vectors<N>& b) {
  return each<N>([&](int i) { return a.v[i] * b.v[i]; });
}
template <int N>
[[gnu::always_inline]] inline Vectors<N> operator/(const Vectors<N>& a, const Vectors<N>& b) {
  return each<N>([&](int i) { return a.v[i] / b.v[i]; });
}

/// The primitives of kernels/formulas.h for 16·N floats.
template <int N>
struct VecOf {
  using V = Vectors<N>;
  [[gnu::always_inline]] static V splat(float c) {
    return each<N>([v = Vec::splat(c)](int) { return v; });
  }
  [[gnu::always_inline]] static V fma(const V& a, const V& b, const V& c) {
    return each<N>([&](int i) { return Vec::fma(a.v[i], b.v[i], c.v[i]); });
  }
  [[gnu::always_inline]] static V negated_fma(const V& a, const V& b, const V& c) {
    return each<N>([&](int i) { return Vec::negated_fma(a.v[i], b.v[i], c.v[i]); });
  }
  [[gnu::always_inline]] static V min(const V& a, const V& b) {
    return each<N>([&](int i) { return Vec::min(a.v[i], b.v[i]); });
  }
  [[gnu::always_inline]] static V max(const V& a, const V& b) {
    return each<N>([&](int i) { return Vec::max(a.v[i], b.v[i]); });
  }
  [[gnu::always_inline]] static V abs(const V& a) {
    return each<N>([&](int i) { return Vec::abs(a.v[i]); });
  }
  [[gnu::always_inline]] static V copysign(const V& magnitude, const V& sign) {
    return each<N>([&](int i) { return Vec::copysign(magnitude.v[i], sign.v[i]); });
  }
  [[gnu::always_inline]] static V select_less(const V& a, const V& b, const V& yes, const V& no) {
    return each<N>([&](int i) { return Vec::select_less(a.v[i], b.v[i], yes.v[i], no.v[i]); });
  }
  [[gnu::always_inline]] static V scale(const V& p, const V& t) {
    return each<N>([&](int i) { return Vec::scale(p.v[i], t.v[i]); });
  }
};

}  // namespace
}  // namespace linnet::kernels::avx512
