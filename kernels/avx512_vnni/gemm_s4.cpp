#include "kernels/avx512/finish_s8.h"
#include "kernels/avx512_vnni/avx512_vnni.h"
#include "kernels/groups_s4.h"

// y = x·Wᵀ with weights of 4 bits, 4 rows x 32 columns at a time. vpdpbusd takes the weights as
// unsigned bytes q + 8; the sum of a group is below 2^15, and vpdpwssd multiplies it with the
// group's scale.
namespace linnet::kernels::avx512_vnni {
namespace {

constexpr int kRows = 4;
constexpr std::int64_t kAhead = 8 * 34 * 32;  // bytes between asking for weights and their use

inline __m512i four_bytes(const std::uint8_t* x) {
  std::int32_t four;
  __builtin_memcpy(&four, x, 4);
  return _mm512_set1_epi32(four);
}

/// acc[r][v] += the products of one group; t and w are its scales and its weights. Asks for
/// weights, a line for each that it loads, if that is wanted.
template <int R, int V, bool ask>
[[gnu::always_inline]] inline void add_group(__m512i (&acc)[R][V], const std::uint8_t* x,
                                             std::int64_t ldx, const std::int16_t* begin,
                                             const std::int8_t* t, const std::int8_t* w) {
  const __m512i low_bits = _mm512_set1_epi8(15);
  __m512i group[R][V];
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
    const __m512i first = _mm512_set1_epi32(begin[r * kMaxGroupsS4]);
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) group[r][v] = first;
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    __m512i low[V], high[V];
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) {
      if constexpr (ask) _mm_prefetch(w + kAhead + (i * V + v) * 64, _MM_HINT_T0);
      const __m512i both = _mm512_loadu_si512(w + (i * V + v) * 64);
      low[v] = _mm512_and_si512(both, low_bits);
      high[v] = _mm512_and_si512(_mm512_srli_epi16(both, 4), low_bits);
    }
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      const __m512i x_low = four_bytes(x + r * ldx + 8 * i);
      const __m512i x_high = four_bytes(x + r * ldx + 8 * i + 4);
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) {
        group[r][v] = _mm512_dpbusd_epi32(group[r][v], low[v], x_low);
        group[r][v] = _mm512_dpbusd_epi32(group[r][v], high[v], x_high);
      }
    }
  }
#pragma GCC unroll 2
  for (int v = 0; v < V; ++v) {
    // In each lane a pair of 16 bits: t, and 0 for the upper half of the sum.
    const __m512i scale = _mm512_and_si512(
        _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(t + 16 * v))),
        _mm512_set1_epi32(0xFFFF));
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) acc[r][v] = _mm512_dpwssd_epi32(acc[r][v], group[r][v], scale);
  }
}

/// R rows of a panel of V vectors, of which the last may be partial. The first block of a panel
/// asks for the weights before their use.
template <int R, int V, bool ask>
void block(const GemmS8Args& a, const PanelS4& p, std::int64_t m, const std::int16_t* begins) {
  __m512i acc[R][V];
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) acc[r][v] = _mm512_setzero_si512();
  }
  const std::uint8_t* x = a.x + m * a.ldx;
  const std::int8_t* w = p.w;
  for (std::int64_t k = 0; k < padded_k(a.K); k += 64, x += 64, begins += 2, w += V * 16 * 34) {
    if constexpr (ask) _mm_prefetch(w + kAhead, _MM_HINT_T0);
    add_group<R, V, ask>(acc, x, a.ldx, begins, w, w + V * 32);
    add_group<R, V, ask>(acc, x + 32, a.ldx, begins + 1, w + V * 16, w + V * 32 + V * 256);
  }
  avx512::finish_s8<R, V>(a, {m, R, p.n, p.width}, acc);
}

using BlockFn = void (*)(const GemmS8Args&, const PanelS4&, std::int64_t, const std::int16_t*);
template <int V, bool ask>
constexpr BlockFn kOfRows[kRows] = {block<1, V, ask>, block<2, V, ask>, block<3, V, ask>,
                                    block<4, V, ask>};

/// Rows m .. m+rows-1 of one panel.
void run_panel(const GemmS8Args& a, const PanelS4& p, std::int64_t m, std::int64_t rows,
               const BeginsS4& begins) {
  for (std::int64_t r = 0; r < rows; r += kRows) {
    const std::int64_t size = rows - r < kRows ? rows - r : kRows;
    const BlockFn* of_rows = p.width <= 16 ? kOfRows<1, false>
                             : r == 0      ? kOfRows<2, true>
                                           : kOfRows<2, false>;
    of_rows[size - 1](a, p, m + r, begins.of[r]);
  }
}

}  // namespace

void gemm_s4(const GemmS8Args& a) noexcept {
  for_panels_s4(a, [&](const PanelS4& panel, std::int64_t m, std::int64_t rows,
                       const BeginsS4& begins) { run_panel(a, panel, m, rows, begins); });
}

}  // namespace linnet::kernels::avx512_vnni
