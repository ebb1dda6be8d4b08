#pragma once

#include "kernels/avx2/chains.h"
#include "kernels/avx2/finish_s8.h"

// y = x·Wᵀ of INT8 operands in vectors of 8 columns x 4 k, for the levels that have 16 registers.
// Dot is how a level multiplies:
//   Row, Column    4 bytes of a row of x as many times as a vector holds; a vector of weights
//   row(x)         loads one            column(w)      loads the other
//   add(acc, r, c) acc + the products of r with c, summed over 4 k
//   kRows          rows of a block    kShift    GemmS8::shift
namespace linnet::kernels::avx2 {
namespace {

/// Some columns of a panel: 8·V of them from column n of y, their first bytes, and the distance
/// from 4 k to the next.
struct Columns {
  const std::int8_t *begin, *w;  // int32 where the sums begin, int8 weights
  std::int64_t pitch, n, width;
};

/// Keeps a sum in its register: the compiler would store it in every step.
[[gnu::always_inline]] inline void pin(__m256i& sum) { asm("" : "+x"(sum)); }

inline __m256i load_bytes(const std::int8_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}

/// R rows and V vectors of columns. S steps of 4 k have their own sums, added at the end, so that
/// few rows have enough chains in flight. Each step asks for its own weights `ahead` bytes later.
template <class Dot, int R, int V, int S>
void block_s8(const GemmS8Args& a, const Columns& c, std::int64_t m, std::int64_t ahead) {
  if constexpr (R > 2) {  // stores should not wait for y: rows may share the sets of the cache
    for (int r = 0; r < R; ++r) __builtin_prefetch(a.y + (m + r) * a.ldy + c.n, 1);
  }
  __m256i acc[S][R][V];
#pragma GCC unroll 8
  for (int v = 0; v < V; ++v) {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      acc[0][r][v] = Dot::kShift != 0 ? load_bytes(c.begin + 32 * v) : _mm256_setzero_si256();
#pragma GCC unroll 4
      for (int s = 1; s < S; ++s) acc[s][r][v] = _mm256_setzero_si256();
    }
  }
  const std::uint8_t* x = a.x + m * a.ldx;
  const std::int8_t* w = c.w;
  for (std::int64_t k = 0; k < padded_k(a.K); k += 4 * S) {
#pragma GCC unroll 4
    for (int s = 0; s < S; ++s, w += c.pitch) {
#pragma GCC unroll 8
      for (int v = 0; v < V; v += 2) _mm_prefetch(w + ahead + 32 * v, _MM_HINT_T0);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const typename Dot::Row row = Dot::row(x + r * a.ldx + k + 4 * s);
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) {
          acc[s][r][v] = Dot::add(acc[s][r][v], row, Dot::column(w + 32 * v));
          pin(acc[s][r][v]);
        }
      }
    }
  }
#pragma GCC unroll 4
  for (int s = 1; s < S; ++s) {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) acc[0][r][v] = _mm256_add_epi32(acc[0][r][v], acc[s][r][v]);
    }
  }
  finish_s8<R, V>(a, {m, c.n, c.width}, acc[0]);
}

using BlockS8Fn = void (*)(const GemmS8Args&, const Columns&, std::int64_t, std::int64_t);

/// The rows of one block. One or two rows take a whole panel of 48 columns at once, with FewDot.
template <class Dot, class FewDot>
void rows_s8(const GemmS8Args& a, const Columns& panel, Part rows, std::int64_t ahead) {
  static constexpr BlockS8Fn kWhole[] = {block_s8<FewDot, 1, 6, 2>, block_s8<FewDot, 2, 6, 1>};
  static constexpr BlockS8Fn kNarrow[] = {block_s8<FewDot, 1, 2, 2>, block_s8<FewDot, 2, 2, 2>,
                                          block_s8<Dot, 3, 2, 2>,    block_s8<Dot, 4, 2, 1>,
                                          block_s8<Dot, 5, 2, 1>,    block_s8<Dot, 6, 2, 1>};
  if (rows.size <= 2 && panel.width == kPanelS8) {
    return kWhole[rows.size - 1](a, panel, rows.begin, ahead);
  }
  for (std::int64_t j = 0; j < panel.width; j += 16) {
    const std::int64_t left = panel.width - j;
    const Columns c = {panel.begin + 4 * j, panel.w + 4 * j, panel.pitch, panel.n + j,
                       left < 16 ? left : 16};
    kNarrow[rows.size - 1](a, c, rows.begin, ahead);
  }
}

/// Dot for blocks of many rows, FewDot for one or two.
template <class Dot, class FewDot = Dot>
void gemm_s8_of(const GemmS8Args& a) {
  static_assert(Dot::kRows <= 6);
  const std::int64_t blocks = (a.M + Dot::kRows - 1) / Dot::kRows;
  for (std::int64_t n = a.n_begin; n < a.n_end; n += kPanelS8) {
    const std::int64_t width = a.n_end - n < kPanelS8 ? a.n_end - n : kPanelS8;
    const std::int64_t pitch = (width + 15) / 16 * 64;
    const std::int8_t* panel = a.w + n * column_bytes_s8(a.K);
    const Columns columns = {panel, panel + pitch, pitch, n, width};
    for (std::int64_t i = 0; i < blocks; ++i) {
      rows_s8<Dot, FewDot>(a, columns, part_of(a.M, blocks, i), 16 * pitch);
    }
  }
}

}  // namespace
}  // namespace linnet::kernels::avx2
