#pragma once

#include "kernels/avx512/vec.h"

namespace linnet::kernels::avx512 {
namespace {

/// Four vectors in step: the chain of operations of one activation is too long for the processor to
/// reach the next vector by itself.
struct Four {
  __m512 v[4];
};

template <class F>
[[gnu::always_inline]] inline Four each(F f) {
  return {{f(0), f(1), f(2), f(3)}};
}
[[gnu::always_inline]] inline Four operator+(Four a, Four b) {
  return each([&](int i) { return a.v[i] + b.v[i]; });
}
[[gnu::always_inline]] inline Four operator-(Four a, Four b) {
  return each([&](int i) { return a.v[i] - b.v[i]; });
}
[[gnu::always_inline]] inline Four operator*(Four a, Four b) {
  return each([&](int i) { return a.v[i] * b.v[i]; });
}
[[gnu::always_inline]] inline Four operator/(Four a, Four b) {
  return each([&](int i) { return a.v[i] / b.v[i]; });
}

/// The primitives of kernels/formulas.h for 64 floats.
struct Vec4 {
  using V = Four;
  [[gnu::always_inline]] static V splat(float c) {
    const __m512 v = Vec::splat(c);
    return {{v, v, v, v}};
  }
  [[gnu::always_inline]] static V fma(V a, V b, V c) {
    return each([&](int i) { return Vec::fma(a.v[i], b.v[i], c.v[i]); });
  }
  [[gnu::always_inline]] static V min(V a, V b) {
    return each([&](int i) { return Vec::min(a.v[i], b.v[i]); });
  }
  [[gnu::always_inline]] static V max(V a, V b) {
    return each([&](int i) { return Vec::max(a.v[i], b.v[i]); });
  }
  [[gnu::always_inline]] static V abs(V a) {
    return each([&](int i) { return Vec::abs(a.v[i]); });
  }
  [[gnu::always_inline]] static V copysign(V magnitude, V sign) {
    return each([&](int i) { return Vec::copysign(magnitude.v[i], sign.v[i]); });
  }
  [[gnu::always_inline]] static V select_less(V a, V b, V yes, V no) {
    return each([&](int i) { return Vec::select_less(a.v[i], b.v[i], yes.v[i], no.v[i]); });
  }
  [[gnu::always_inline]] static V scale(V p, V t) {
    return each([&](int i) { return Vec::scale(p.v[i], t.v[i]); });
  }
};

/// x[i] = activation(x[i]), i < n, n a multiple of 16.
inline void activate_in_place(float* x, std::int64_t n, Activation activation) {
  if (activation == Activation::kNone) return;
  const std::int64_t whole = n / 64 * 64;
  with_activation<Vec4>(activation, [&](auto f) {
    for (std::int64_t i = 0; i < whole; i += 64) {
      const Four y = f(each([&](int j) { return _mm512_load_ps(x + i + 16 * j); }));
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) _mm512_store_ps(x + i + 16 * j, y.v[j]);
    }
  });
  with_activation<Vec>(activation, [&](auto f) {
    for (std::int64_t i = whole; i < n; i += 16) {
      _mm512_store_ps(x + i, f(_mm512_load_ps(x + i)));
    }
  });
}

}  // namespace
}  // namespace linnet::kernels::avx512
