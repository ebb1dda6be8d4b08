#pragma once

#include "kernels/reference/scalar.h"

namespace linnet::kernels::reference {
namespace {

/// Access to rows for kernels/backward.h: one element at a time.
struct Lanes {
  using Ops = Scalar;
  using V = float;
  struct One {};
  struct Partials : reference::Partials {
    float& operator[](std::int64_t part) { return p[part]; }
  };

  static V load(const float* p, One) { return *p; }
  static void store(float* p, V x, One) { *p = x; }
  static V keep(V x, One) { return x; }

  template <class F>
  [[gnu::always_inline]] static inline void for_each(std::int64_t n, F f) {
    for (std::int64_t i = 0; i < n; ++i) f(i, i % 16, One{});
  }
};

}  // namespace
}  // namespace linnet::kernels::reference
