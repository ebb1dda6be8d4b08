#pragma once

#include "kernels/avx512/vec.h"

namespace linnet::kernels::avx512 {
namespace {

/// Access to rows for kernels/backward.h: 16 elements at a time.
struct Lanes {
  using Ops = Vec;
  using V = __m512;
  struct All {};
  struct Partials {
    V p = _mm512_setzero_ps();
    V& operator[](All) { return p; }
    float sum() const { return sum_of(p); }
  };

  static V load(const float* p, __mmask16 lanes) { return _mm512_maskz_loadu_ps(lanes, p); }
  static void store(float* p, V x, __mmask16 lanes) { _mm512_mask_storeu_ps(p, lanes, x); }
  static V keep(V x, __mmask16 lanes) { return _mm512_maskz_mov_ps(lanes, x); }

  template <class F>
  [[gnu::always_inline]] static inline void for_each(std::int64_t n, F f) {
    for_each_16(n, [&](std::int64_t i, __mmask16 lanes) { f(i, All{}, lanes); });
  }
};

}  // namespace
}  // namespace linnet::kernels::avx512
