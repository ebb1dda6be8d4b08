#include "kernels/avx2/gemm_s8.h"

#include "kernels/avx2/avx2.h"

// Without VNNI: |x| · (w with the sign of x) as unsigned by signed bytes. Where x is negative its
// factor is ~w = -w - 1, which takes any port of the CPU (vpsignb takes few of them, and the
// multiplications need those), and the sums begin at what that loses: the sum of |x| over all x
// below 0, whatever the column. A pair of products is at most 2·127·128 = 32512, so the 16-bit sums
// of vpmaddubsw never saturate.
namespace linnet::kernels::avx2 {
namespace {

constexpr std::int64_t kRows = 4;      // of a block
constexpr std::int64_t kChunk = 4096;  // of k for which rows are prepared at once

/// A chunk of some rows. Rows do not share a cache set.
struct Rows {
  alignas(64) std::uint8_t magnitude[kRows][kChunk + 64];
  alignas(64) std::uint8_t negative[kRows][kChunk + 64];  // 0 or all ones
  std::int32_t lost[kRows];

  /// Rows [m, m + R), and of k [begin, begin + size).
  void prepare(const GemmS8Args& a, std::int64_t m, std::int64_t R, std::int64_t begin,
               std::int64_t size) {
    const __m256i zero = _mm256_setzero_si256();
    for (std::int64_t r = 0; r < R; ++r) {
      const std::uint8_t* x = a.x + (m + r) * a.ldx + begin;
      __m256i sum = zero;
      for (std::int64_t k = 0; k < size; k += 32) {
        const __m256i bytes = load_bytes(x + k), all = _mm256_abs_epi8(bytes);
        const __m256i below = _mm256_cmpgt_epi8(zero, bytes);
        store_bytes(magnitude[r] + k, all);
        store_bytes(negative[r] + k, below);
        sum = _mm256_add_epi64(sum, _mm256_sad_epu8(_mm256_and_si256(all, below), zero));
      }
      const __m128i half = _mm256_extracti128_si256(sum, 1);
      const __m128i two = _mm_add_epi64(_mm256_castsi256_si128(sum), half);
      lost[r] = static_cast<std::int32_t>(_mm_cvtsi128_si64(two) + _mm_extract_epi64(two, 1));
    }
  }
};

/// A chunk of k; between chunks the sums of a block of rows and a panel are in memory.
struct Chunk {
  std::int64_t size;
  bool first, last;
};

/// R rows, from row m of y, and V vectors of columns. Each step asks for the weights of a later
/// one.
template <int R, int V>
void block(const GemmS8Args& a, const Rows& rows, std::int64_t m, const Columns& c,
           const Chunk& chunk, std::int32_t* sums) {
  if constexpr (R > 2) {  // stores should not wait for y: rows may share the sets of the cache
    for (int r = 0; r < R; ++r) __builtin_prefetch(a.y + (m + r) * a.ldy + c.n, 1);
  }
  __m256i acc[R][V];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    const __m256i lost = _mm256_set1_epi32(rows.lost[r]);
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) {
      acc[r][v] =
          chunk.first ? lost : _mm256_add_epi32(lost, load_bytes(sums + r * kPanelS8 + 8 * v));
    }
  }
  const __m256i ones = _mm256_set1_epi16(1);
  const std::int8_t* w = c.w;
  const std::int64_t later = ahead(c);
  for (std::int64_t k = 0; k < chunk.size; k += 8) {
#pragma GCC unroll 2
    for (int s = 0; s < 2; ++s, w += c.pitch) {
#pragma GCC unroll 8
      for (int v = 0; v < V; v += 2) _mm_prefetch(w + later + 32 * v, _MM_HINT_T0);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const __m256i magnitude = four_bytes(rows.magnitude[r] + k + 4 * s);
        const __m256i negative = four_bytes(rows.negative[r] + k + 4 * s);
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) {
          const __m256i factor = _mm256_xor_si256(negative, load_bytes(w + 32 * v));
          const __m256i pairs = _mm256_maddubs_epi16(magnitude, factor);
          acc[r][v] = _mm256_add_epi32(acc[r][v], _mm256_madd_epi16(pairs, ones));
          pin(acc[r][v]);
        }
      }
    }
  }
  if (chunk.last) return finish_s8<R, V>(a, {m, c.n, c.width}, acc);
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) store_bytes(sums + r * kPanelS8 + 8 * v, acc[r][v]);
  }
}

using BlockFn = decltype(&block<1, 2>);

/// One or two rows take a whole panel of 48 columns at once.
constexpr BlockFn kWhole[] = {block<1, 6>, block<2, 6>};
constexpr BlockFn kNarrow[] = {block<1, 2>, block<2, 2>, block<3, 2>, block<4, 2>};

/// One panel and one chunk of R rows.
void run_panel(const GemmS8Args& a, const Rows& rows, Part part, const Columns& panel,
               const Chunk& chunk, std::int32_t* sums) {
  if (part.size <= 2 && panel.width == kPanelS8) {
    return kWhole[part.size - 1](a, rows, part.begin, panel, chunk, sums);
  }
  for (std::int64_t j = 0; j < panel.width; j += 16) {
    kNarrow[part.size - 1](a, rows, part.begin, panel.from(j, 16), chunk, sums + j);
  }
}

}  // namespace

void gemm_s8(const GemmS8Args& a) noexcept {
  Rows rows;
  std::int32_t sums[kRows * kPanelS8];
  const std::int64_t K = padded_k(a.K);
  const bool once = a.M <= kRows && K <= kChunk;  // the same for all panels
  for_blocks_s8(a, kRows, [&](const Columns& panel, Part part) {
    Columns columns = panel;
    for (std::int64_t k = 0; k == 0 || k < K; k += kChunk) {
      const std::int64_t size = K - k < kChunk ? K - k : kChunk;
      if (!once || panel.n == a.n_begin) rows.prepare(a, part.begin, part.size, k, size);
      run_panel(a, rows, part, columns, {size, k == 0, k + size == K}, sums);
      columns.w += size / 4 * panel.pitch;
    }
  });
}

}  // namespace linnet::kernels::avx2
