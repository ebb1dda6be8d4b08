#include "kernels/avx2/avx2.h"
#include "kernels/avx2/bytes.h"
#include "kernels/avx2/finish_s8.h"
#include "kernels/groups_s4.h"

// y = x·Wᵀ with weights of 4 bits. vpmaddubsw takes them as unsigned bytes q + 8 and adds two
// products; 16 of k go into each 16-bit lane of a group's sums: below 2^15 with 15 · 127 · 16. The
// lower lane begins at -8 times the sum of the group's x, and stays below that too: its own 16 of k
// add at most 16 · 127 · 8 as products of x·q, and take away as much for the others.
namespace linnet::kernels::avx2 {
namespace {

constexpr std::int64_t kAhead = 4 * 34 * 32;  // bytes between asking for weights and their use

/// The scales of 8 columns, each in both 16-bit lanes of its 32 bits.
inline __m256i scales(const std::int8_t* t) {
  const __m256i wide = _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(t)));
  return _mm256_blend_epi16(wide, _mm256_slli_epi32(wide, 16), 0xAA);
}

/// Some columns of a panel: their first bytes, and how wide the panel is.
struct Columns {
  const std::int8_t *t, *w;
  std::int64_t pitch, n, width;
};

/// acc[r][v] += the products of one group; t and w are its scales and its weights.
template <int R, int V>
[[gnu::always_inline]] inline void add_group(__m256i (&acc)[R][V], const std::uint8_t* x,
                                             std::int64_t ldx, const std::int16_t* begin,
                                             const std::int8_t* t, const std::int8_t* w,
                                             std::int64_t pitch) {
  const __m256i low_bits = _mm256_set1_epi8(15);
  __m256i pairs[R][V];
#pragma GCC unroll 2
  for (int r = 0; r < R; ++r) {
    const __m256i first = _mm256_set1_epi32(static_cast<std::uint16_t>(begin[r * kMaxGroupsS4]));
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) pairs[r][v] = first;
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      const __m256i both = load_bytes(w + i * pitch * 4 + v * 32);
      const __m256i low = _mm256_and_si256(both, low_bits);
      const __m256i high = _mm256_and_si256(_mm256_srli_epi16(both, 4), low_bits);
#pragma GCC unroll 2
      for (int r = 0; r < R; ++r) {
        const __m256i x_low = four_bytes(x + r * ldx + 8 * i);
        const __m256i x_high = four_bytes(x + r * ldx + 8 * i + 4);
        pairs[r][v] = _mm256_add_epi16(pairs[r][v], _mm256_maddubs_epi16(low, x_low));
        pairs[r][v] = _mm256_add_epi16(pairs[r][v], _mm256_maddubs_epi16(high, x_high));
      }
    }
  }
#pragma GCC unroll 4
  for (int v = 0; v < V; ++v) {
    const __m256i scale = scales(t + 8 * v);
#pragma GCC unroll 2
    for (int r = 0; r < R; ++r) {
      acc[r][v] = _mm256_add_epi32(acc[r][v], _mm256_madd_epi16(pairs[r][v], scale));
    }
  }
}

/// R rows and V vectors of columns. Asks for the weights some steps before their use.
template <int R, int V>
void block(const GemmS8Args& a, const Columns& c, std::int64_t m, const std::int16_t* begins) {
  __m256i acc[R][V];
#pragma GCC unroll 2
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) acc[r][v] = _mm256_setzero_si256();
  }
  const std::uint8_t* x = a.x + m * a.ldx;
  const std::int8_t *t = c.t, *w = c.w;
  const std::int64_t pitch = c.pitch, step = 34 * pitch;
  for (std::int64_t k = 0; k < padded_k(a.K); k += 64, x += 64, begins += 2, t += step, w += step) {
#pragma GCC unroll 16
    for (int line = 0; line < V * 4; ++line) _mm_prefetch(w + kAhead + line * 64, _MM_HINT_T0);
    add_group<R, V>(acc, x, a.ldx, begins, t, w, pitch);
    add_group<R, V>(acc, x + 32, a.ldx, begins + 1, t + pitch, w + 16 * pitch, pitch);
  }
  finish_s8<R, V>(a, {m, c.n, c.width}, acc);
}

/// Rows m .. m+rows-1 of one panel: two at a time in 16 columns, one in all.
void run_panel(const GemmS8Args& a, const Columns& p, std::int64_t m, std::int64_t rows,
               const BeginsS4& begins) {
  std::int64_t r = 0;
  for (; r + 2 <= rows; r += 2) {
    for (std::int64_t j = 0; j < p.width; j += 16) {
      const std::int64_t width = p.width - j < 16 ? p.width - j : 16;
      block<2, 2>(a, {p.t + j, p.w + 4 * j, p.pitch, p.n + j, width}, m + r, begins.of[r]);
    }
  }
  if (r < rows) (p.pitch > 16 ? block<1, 4> : block<1, 2>)(a, p, m + r, begins.of[r]);
}

}  // namespace

void gemm_s4(const GemmS8Args& a) noexcept {
  for_panels_s4(a,
                [&](const PanelS4& p, std::int64_t m, std::int64_t rows, const BeginsS4& begins) {
                  const std::int64_t pitch = p.width > 16 ? 32 : 16;
                  run_panel(a, {p.w, p.w + 2 * pitch, pitch, p.n, p.width}, m, rows, begins);
                });
}

}  // namespace linnet::kernels::avx2
