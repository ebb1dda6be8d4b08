#include "kernels/avx2/gemm_s8.h"

#include "kernels/avx_vnni/avx_vnni.h"

namespace linnet::kernels::avx_vnni {
namespace {

using avx2::Columns;

constexpr std::int64_t kRows = 6;

/// R rows and V vectors of columns. S steps of 4 k have their own sums, added at the end, so that
/// few rows have enough chains in flight. Each step asks for the weights of a later one.
template <int R, int V, int S>
void block(const GemmS8Args& a, const Columns& c, std::int64_t m) {
  if constexpr (R > 2) {  // stores should not wait for y: rows may share the sets of the cache
    for (int r = 0; r < R; ++r) __builtin_prefetch(a.y + (m + r) * a.ldy + c.n, 1);
  }
  __m256i acc[S][R][V];
#pragma GCC unroll 8
  for (int v = 0; v < V; ++v) {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      acc[0][r][v] = avx2::load_bytes(c.begin + 32 * v);
#pragma GCC unroll 4
      for (int s = 1; s < S; ++s) acc[s][r][v] = _mm256_setzero_si256();
    }
  }
  const std::uint8_t* x = a.x + m * a.ldx;
  const std::int8_t* w = c.w;
  const std::int64_t later = ahead(c);
  for (std::int64_t k = 0; k < padded_k(a.K); k += 4 * S) {
#pragma GCC unroll 4
    for (int s = 0; s < S; ++s, w += c.pitch) {
#pragma GCC unroll 8
      for (int v = 0; v < V; v += 2) _mm_prefetch(w + later + 32 * v, _MM_HINT_T0);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const __m256i row = avx2::four_bytes(x + r * a.ldx + k + 4 * s);
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) {
          acc[s][r][v] = _mm256_dpbusd_avx_epi32(acc[s][r][v], row, avx2::load_bytes(w + 32 * v));
          avx2::pin(acc[s][r][v]);
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
  avx2::finish_s8<R, V>(a, {m, c.n, c.width}, acc[0]);
}

using BlockFn = void (*)(const GemmS8Args&, const Columns&, std::int64_t);

/// One or two rows take a whole panel of 48 columns at once.
constexpr BlockFn kWhole[] = {block<1, 6, 2>, block<2, 6, 1>};
constexpr BlockFn kNarrow[] = {block<1, 2, 2>, block<2, 2, 2>, block<3, 2, 2>,
                               block<4, 2, 1>, block<5, 2, 1>, block<6, 2, 1>};

}  // namespace

void gemm_s8(const GemmS8Args& a) noexcept {
  avx2::for_blocks_s8(a, kRows, [&](const Columns& panel, avx2::Part rows) {
    if (rows.size <= 2 && panel.width == kPanelS8) {
      return kWhole[rows.size - 1](a, panel, rows.begin);
    }
    for (std::int64_t j = 0; j < panel.width; j += 16) {
      kNarrow[rows.size - 1](a, panel.from(j, 16), rows.begin);
    }
  });
}

}  // namespace linnet::kernels::avx_vnni
