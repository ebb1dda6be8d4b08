#pragma once

#include "kernels/avx512/vectors.h"

// From the sums of an INT8 product to y: scales, bias, activation, residual.
namespace linnet::kernels::avx512 {
namespace {

/// Rows m .. m+rows-1 and columns n .. n+width-1 of y.
struct BlockS8 {
  std::int64_t m, rows, n, width;
};

inline __m512 dequantised(__m512i acc, __m512 row_scale, __m512 scale, __m512 bias) {
  return Vec::fma(_mm512_cvtepi32_ps(acc) * row_scale, scale, bias);
}

inline __m512 bias_of(const GemmS8Args& a, std::int64_t column, __mmask16 mask) {
  return a.bias != nullptr ? _mm512_maskz_loadu_ps(mask, a.bias + column) : _mm512_setzero_ps();
}

/// The block's rows, a multiple of N, N at a time, of sums in a tile [rows][pitch]. All that is
/// read in the loops is copied before them: a store to y might change the originals.
template <int N>
void finish_rows_s8(const GemmS8Args& args, const BlockS8& block, const std::int32_t* sums,
                    std::int64_t pitch) {
  with_activation<VecOf<N>>(args.activation, [&](auto f) {
    const GemmS8Args a = args;
    const BlockS8 b = block;
    const std::int32_t* const tile = sums;
    const std::int64_t ld = pitch;
    for_each_16(b.width, [&](std::int64_t j, __mmask16 mask) {
      const std::int64_t n = b.n + j;
      const __m512 scale = _mm512_maskz_loadu_ps(mask, a.w_scale + n), bias = bias_of(a, n, mask);
      for (std::int64_t r = 0; r < b.rows; r += N) {
        const Vectors<N> y = f(each<N>([&](int i) {
          const __m512i acc = _mm512_load_si512(tile + (r + i) * ld + j);
          return dequantised(acc, _mm512_set1_ps(a.x_scale[b.m + r + i]), scale, bias);
        }));
#pragma GCC unroll 8
        for (int i = 0; i < N; ++i) {
          const std::int64_t m = b.m + r + i;
          __m512 v = y.v[i];
          if (a.residual != nullptr) {
            v = _mm512_maskz_loadu_ps(mask, a.residual + m * a.ld_residual + n) + v;
          }
          _mm512_mask_storeu_ps(a.y + m * a.ldy + n, mask, v);
        }
      }
    });
  });
}

/// Any epilogue, of sums in a tile [rows][pitch] that stays in the first-level cache. Nothing is
/// stored to y before its residual is read: they may be the same.
[[gnu::noinline]] inline void finish_tile_s8(const GemmS8Args& a, const BlockS8& b,
                                             const std::int32_t* tile, std::int64_t pitch) {
  constexpr std::int64_t kStep = 4;
  const std::int64_t whole = b.rows / kStep * kStep, rest = b.rows - whole;
  if (whole > 0) finish_rows_s8<kStep>(a, {b.m, whole, b.n, b.width}, tile, pitch);
  if (rest > 0) {
    finish_rows_s8<1>(a, {b.m + whole, rest, b.n, b.width}, tile + whole * pitch, pitch);
  }
}

/// R rows and V vectors of columns without an activation. Pointers are copied first: a store to y
/// might change the originals.
template <bool with_residual, int R, int V>
[[gnu::always_inline]] inline void finish_plain_s8(const GemmS8Args& a, const BlockS8& b,
                                                   const __m512i (&acc)[R][V]) {
  const __mmask16 last = first(b.width - 16 * (V - 1));
  float* y = a.y + b.m * a.ldy + b.n;
  const float* residual = with_residual ? a.residual + b.m * a.ld_residual + b.n : nullptr;
  const float* x_scale = a.x_scale + b.m;
  const std::int64_t ldy = a.ldy, ld_residual = a.ld_residual;
  __m512 scale[V], bias[V];
#pragma GCC unroll 4
  for (int v = 0; v < V; ++v) {
    const __mmask16 mask = v == V - 1 ? last : 0xFFFF;
    scale[v] = _mm512_maskz_loadu_ps(mask, a.w_scale + b.n + 16 * v);
    bias[v] = bias_of(a, b.n + 16 * v, mask);
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r, y += ldy) {
    const __m512 row_scale = _mm512_set1_ps(x_scale[r]);
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      const __mmask16 mask = v == V - 1 ? last : 0xFFFF;
      __m512 sum = dequantised(acc[r][v], row_scale, scale[v], bias[v]);
      if constexpr (with_residual) {
        sum = _mm512_maskz_loadu_ps(mask, residual + r * ld_residual + 16 * v) + sum;
      }
      _mm512_mask_storeu_ps(y + 16 * v, mask, sum);
    }
  }
}

/// R rows and V vectors of columns whose sums are in registers. acc must not have an address, nor
/// the code behind it many branches, or the compiler keeps the sums in memory.
template <int R, int V>
[[gnu::always_inline]] inline void finish_s8(const GemmS8Args& a, const BlockS8& b,
                                             const __m512i (&acc)[R][V]) {
  if (a.activation != Activation::kNone) {
    alignas(64) std::int32_t tile[R * V * 16];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) _mm512_store_si512(tile + (r * V + v) * 16, acc[r][v]);
    }
    return finish_tile_s8(a, b, tile, V * 16);
  }
  if (a.residual != nullptr) return finish_plain_s8<true>(a, b, acc);
  finish_plain_s8<false>(a, b, acc);
}

}  // namespace
}  // namespace linnet::kernels::avx512
