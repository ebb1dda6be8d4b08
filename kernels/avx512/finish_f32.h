#pragma once

#include "kernels/avx512/vectors.h"

// From the sums of a product to y: bias, activation, residual.
namespace linnet::kernels::avx512 {
namespace {

/// Rows m .. m+rows-1 and columns n .. n+width-1 of y.
struct BlockF32 {
  std::int64_t m, rows, n, width;
};

/// The bias of some columns; an absent one is -0, which changes no bit of a sum, not even of -0.
template <class Args>
inline __m512 bias_of(const Args& a, __mmask16 mask, std::int64_t n) {
  return a.bias != nullptr ? _mm512_maskz_loadu_ps(mask, a.bias + n) : _mm512_set1_ps(-0.0f);
}

/// The block's rows, a multiple of N, N at a time, of sums in a tile [rows][pitch]. All that is
/// read in the loops is copied before them: a store to y might change the originals.
template <int N, class Args>
void finish_rows_f32(const Args& args, const BlockF32& block, const float* sums,
                     std::int64_t pitch) {
  with_activation<VecOf<N>>(args.activation, [&](auto f) {
    const Args a = args;
    const BlockF32 b = block;
    const float* const tile = sums;
    const std::int64_t ld = pitch;
    for_each_16(b.width, [&](std::int64_t j, __mmask16 mask) {
      const std::int64_t n = b.n + j;
      const __m512 bias = bias_of(a, mask, n);
      for (std::int64_t r = 0; r < b.rows; r += N) {
        const Vectors<N> y =
            f(each<N>([&](int i) { return _mm512_load_ps(tile + (r + i) * ld + j) + bias; }));
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
template <class Args>
[[gnu::noinline]] void finish_tile_f32(const Args& a, const BlockF32& b, const float* tile,
                                       std::int64_t pitch) {
  constexpr std::int64_t kStep = 4;
  const std::int64_t whole = b.rows / kStep * kStep, rest = b.rows - whole;
  if (whole > 0) finish_rows_f32<kStep>(a, {b.m, whole, b.n, b.width}, tile, pitch);
  if (rest > 0) {
    finish_rows_f32<1>(a, {b.m + whole, rest, b.n, b.width}, tile + whole * pitch, pitch);
  }
}

/// R rows and V vectors of columns whose sums are in registers. acc must not have an address, nor
/// the code behind it many branches, or the compiler keeps the sums in memory.
template <int R, int V, class Args>
[[gnu::always_inline]] inline void finish_f32(const Args& a, const BlockF32& b,
                                              const __m512 (&acc)[R][V]) {
  if (a.activation != Activation::kNone) {
    alignas(64) float tile[R * V * 16];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) _mm512_store_ps(tile + (r * V + v) * 16, acc[r][v]);
    }
    return finish_tile_f32(a, b, tile, V * 16);
  }
  const __mmask16 last = first(b.width - 16 * (V - 1));
#pragma GCC unroll 4
  for (int v = 0; v < V; ++v) {
    const __mmask16 mask = v == V - 1 ? last : 0xFFFF;
    const std::int64_t n = b.n + 16 * v;
    const __m512 bias = bias_of(a, mask, n);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      __m512 y = acc[r][v] + bias;
      if (a.residual != nullptr) {
        y = _mm512_maskz_loadu_ps(mask, a.residual + (b.m + r) * a.ld_residual + n) + y;
      }
      _mm512_mask_storeu_ps(a.y + (b.m + r) * a.ldy + n, mask, y);
    }
  }
}

}  // namespace
}  // namespace linnet::kernels::avx512
