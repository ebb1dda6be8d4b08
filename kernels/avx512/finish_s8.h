#pragma once

#include "kernels/avx512/vec.h"

// From the sums of an INT8 product to y: scales, bias, activation, residual.
namespace linnet::kernels::avx512 {
namespace {

/// Residual, the row's amax and the store of `V` vectors of one row, the last under a mask. Nothing
/// is stored before its residual is read: they may be the same.
template <int V>
[[gnu::always_inline]] inline void put_row(const GemmS8Args& a, std::int64_t m, std::int64_t n,
                                           __mmask16 last, __m512 (&y)[V]) {
  __m512i most = _mm512_setzero_si512();
#pragma GCC unroll 4
  for (int v = 0; v < V; ++v) {
    const __mmask16 mask = v == V - 1 ? last : 0xFFFF;
    if (a.residual != nullptr) {
      y[v] = _mm512_maskz_loadu_ps(mask, a.residual + m * a.ld_residual + n + 16 * v) + y[v];
    }
    _mm512_mask_storeu_ps(a.y + m * a.ldy + n + 16 * v, mask, y[v]);
    if (a.amax != nullptr) {
      most = _mm512_mask_max_epu32(most, mask, most, _mm512_castps_si512(_mm512_abs_ps(y[v])));
    }
  }
  if (a.amax != nullptr) {
    const std::uint32_t greatest = _mm512_reduce_max_epu32(most);
    if (greatest > a.amax[m]) a.amax[m] = greatest;
  }
}

/// y of R rows from m and `width` columns from n, 16·(V-1) < width <= 16·V, whose sums are acc.
template <int R, int V>
[[gnu::always_inline]] inline void finish_s8(const GemmS8Args& a, std::int64_t m, std::int64_t n,
                                             std::int64_t width, const __m512i (&acc)[R][V]) {
  const __mmask16 last = first(width - 16 * (V - 1));
  __m512 scale[V], bias[V];
#pragma GCC unroll 4
  for (int v = 0; v < V; ++v) {
    const __mmask16 mask = v == V - 1 ? last : 0xFFFF;
    scale[v] = _mm512_maskz_loadu_ps(mask, a.w_scale + n + 16 * v);
    bias[v] =
        a.bias != nullptr ? _mm512_maskz_loadu_ps(mask, a.bias + n + 16 * v) : _mm512_setzero_ps();
  }
  const auto dequantised = [&](int r, int v, __m512 row_scale) {
    return Vec::fma(_mm512_cvtepi32_ps(acc[r][v]) * row_scale, scale[v], bias[v]);
  };
  if (a.activation == Activation::kNone) {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const __m512 row_scale = _mm512_set1_ps(a.x_scale[m + r]);
      __m512 y[V];
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) y[v] = dequantised(r, v, row_scale);
      put_row<V>(a, m + r, n, last, y);
    }
    return;
  }
  alignas(64) float tile[R * V * 16];  // acc itself must not have an address: it is in registers
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    const __m512 row_scale = _mm512_set1_ps(a.x_scale[m + r]);
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      _mm512_store_ps(tile + (r * V + v) * 16, dequantised(r, v, row_scale));
    }
  }
  with_activation<Vec>(a.activation, [&](auto f) {
    for (int r = 0; r < R; ++r) {
      __m512 y[V];
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) y[v] = f(_mm512_load_ps(tile + (r * V + v) * 16));
      put_row<V>(a, m + r, n, last, y);
    }
  });
}

}  // namespace
}  // namespace linnet::kernels::avx512
