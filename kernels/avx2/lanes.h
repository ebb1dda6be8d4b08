#pragma once

#include "kernels/avx2/vec.h"

namespace linnet::kernels::avx2 {
namespace {

/// Access to rows for kernels/backward.h: 8 elements at a time.
struct Lanes {
  using Ops = Vec;
  using V = __m256;
  struct Partials : avx2::Partials {
    template <int half>
    V& operator[](Half<half>) {
      return p[half];
    }
  };

  template <class L>
  static V load(const float* p, L lanes) {
    return avx2::load(p, lanes);
  }
  template <class L>
  static void store(float* p, V x, L lanes) {
    avx2::store(p, x, lanes);
  }
  template <class L>
  static V keep(V x, L lanes) {
    return avx2::keep(x, lanes);
  }

  template <class F>
  [[gnu::always_inline]] static inline void for_each(std::int64_t n, F f) {
    for_each_8(n, f);
  }
};

}  // namespace
}  // namespace linnet::kernels::avx2
