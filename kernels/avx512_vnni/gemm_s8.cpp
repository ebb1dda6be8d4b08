#include "kernels/avx512/finish_s8.h"
#include "kernels/avx512_vnni/avx512_vnni.h"

// y = x·Wᵀ of INT8 operands, 8 rows x 48 columns at a time. A panel of weights is one linear
// stream, read once per block of rows; x needs no packing.
namespace linnet::kernels::avx512_vnni {
namespace {

constexpr int kRows = 8, kVectors = 3;
constexpr std::int64_t kNear = 16, kFar = 48;  // steps between asking for weights and their use
constexpr std::int64_t kSlice = 192;           // columns of x between turns of two blocks: 9 KB

/// One panel, or a part of it: where it starts in y, its packed bytes and how wide it is.
struct Panel {
  const std::int8_t* w;
  std::int64_t n, width;  // columns n .. n+width-1
};

inline __m512i four_bytes(const std::uint8_t* x) {
  std::int32_t four;
  __builtin_memcpy(&four, x, 4);
  return _mm512_set1_epi32(four);
}

/// acc[0][r][v] lane j = what a panel begins column 16·v + j with; 0 in the other sets.
template <int R, int V, int S>
[[gnu::always_inline]] inline void begin(__m512i (&acc)[S][R][V], const std::int8_t* panel) {
#pragma GCC unroll 4
  for (int s = 0; s < S; ++s) {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        acc[s][r][v] = s == 0 ? _mm512_loadu_si512(panel + v * 64) : _mm512_setzero_si512();
      }
    }
  }
}

/// The sum over s of acc[s][r][v] lane j += the sum over k < K, a multiple of 4·S, of
/// x[r, k]·w[k, 16·v + j]: step s of S steps of 4 k has its own sums, so that few rows have enough
/// chains in flight. Each step asks for the next P cache lines of `ahead`.
template <int R, int V, int S, int P>
[[gnu::always_inline]] inline void add_products(__m512i (&acc)[S][R][V], const std::uint8_t* x,
                                                std::int64_t ldx, const std::int8_t* w,
                                                std::int64_t K, const std::int8_t* ahead) {
  for (std::int64_t k = 0; k < K; k += 4 * S, w += S * V * 64, ahead += S * P * 64) {
#pragma GCC unroll 4
    for (int s = 0; s < S; ++s) {
#pragma GCC unroll 4
      for (int line = 0; line < P; ++line) _mm_prefetch(ahead + (s * P + line) * 64, _MM_HINT_T0);
      __m512i column[V];
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) column[v] = _mm512_loadu_si512(w + (s * V + v) * 64);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const __m512i row = four_bytes(x + r * ldx + k + 4 * s);
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) {
          acc[s][r][v] = _mm512_dpbusd_epi32(acc[s][r][v], row, column[v]);
        }
      }
    }
  }
}

/// Asks for the lines of y that a block will write, so that its stores find them in the first-level
/// cache: rows a multiple of 4 KB apart share the sets of the cache, and stores that wait for
/// memory there stop everything (512 x 3072 x 768: 730 GOP/s, with this 950).
template <int R, int V>
[[gnu::always_inline]] inline void ask_for_y(const GemmS8Args& a, std::int64_t m, std::int64_t n) {
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) __builtin_prefetch(a.y + (m + r) * a.ldy + n + 16 * v, 1);
  }
}

/// R rows of one panel. Asks for P lines of `ahead` per step.
template <int R, int V, int P>
void block(const GemmS8Args& a, const Panel& p, std::int64_t m, const std::int8_t* ahead) {
  constexpr int kSets = R == 1 ? 4 : R == 2 ? 2 : 1;
  if constexpr (R > 2) ask_for_y<R, V>(a, m, p.n);
  __m512i acc[kSets][R][V];
  begin(acc, p.w);
  add_products<R, V, kSets, P>(acc, a.x + m * a.ldx, a.ldx, p.w + V * 64, padded_k(a.K), ahead);
#pragma GCC unroll 4
  for (int s = 1; s < kSets; ++s) {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) acc[0][r][v] = _mm512_add_epi32(acc[0][r][v], acc[s][r][v]);
    }
  }
  avx512::finish_s8<R, V>(a, {m, R, p.n, p.width}, acc[0]);
}

/// Columns k .. k+size-1 of x against the same part of a whole panel.
struct Slice {
  std::int64_t k, size;
  const std::int8_t* ahead;
};

/// R rows of a slice: their sums wait for the next one in a tile [R][48]. Asks for P lines of what
/// comes later per step.
template <int R, int P>
void slice(const GemmS8Args& a, const Panel& p, std::int64_t m, const Slice& k,
           std::int32_t* tile) {
  constexpr int V = kVectors;
  __m512i acc[1][R][V];
  if (k.k == 0) {
    ask_for_y<R, V>(a, m, p.n);
    begin(acc, p.w);
  } else {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) acc[0][r][v] = _mm512_load_si512(tile + (r * V + v) * 16);
    }
  }
  add_products<R, V, 1, P>(acc, a.x + m * a.ldx + k.k, a.ldx, p.w + (1 + k.k / 4) * (V * 64),
                           k.size, k.ahead);
  if (k.k + k.size == padded_k(a.K)) {
    return avx512::finish_s8<R, V>(a, {m, R, p.n, p.width}, acc[0]);
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) _mm512_store_si512(tile + (r * V + v) * 16, acc[0][r][v]);
  }
}

using SliceFn = void (*)(const GemmS8Args&, const Panel&, std::int64_t, const Slice&,
                         std::int32_t*);
constexpr std::int64_t kFewest = 4;  // rows of a block when there are two: M > 8
template <int P>
constexpr SliceFn kSlices[] = {slice<4, P>, slice<5, P>, slice<6, P>, slice<7, P>, slice<8, P>};

/// Two blocks of rows, which take turns slice by slice: the weights of one come from the
/// first-level cache while those of the next one are on their way. Block by block, the first one
/// would wait for memory and the second one leave it idle (16 x 3072 x 768 with weights from
/// memory, two threads: 40 -> 43 GB/s).
void two_blocks(const GemmS8Args& a, const Panel& p) {
  alignas(64) std::int32_t tiles[2][kRows * kVectors * 16];
  const std::int64_t K = padded_k(a.K), first = (a.M + 1) / 2, second = a.M - first;
  std::int64_t k = 0;
  do {
    const std::int64_t size = K - k < kSlice ? K - k : kSlice, steps = size / 4;
    // The lines of the slice behind this one: two thirds while the first block runs.
    const std::int8_t* next = p.w + (1 + (k + size) / 4) * (kVectors * 64);
    kSlices<2>[first - kFewest](a, p, 0, {k, size, next}, tiles[0]);
    kSlices<1>[second - kFewest](a, p, first, {k, size, next + 2 * steps * 64}, tiles[1]);
    k += size;
  } while (k < K);
}

using BlockFn = void (*)(const GemmS8Args&, const Panel&, std::int64_t, const std::int8_t*);
struct Functions {
  BlockFn narrow[kVectors];   // 1, 2, 3 vectors, of which the last may be partial
  BlockFn quiet, third, all;  // 3 vectors, asking for nothing, a third of a panel, a whole panel
};
template <int R>
constexpr Functions kOfRows = {{block<R, 1, 0>, block<R, 2, 0>, block<R, 3, 0>},
                               block<R, 3, 0>,
                               block<R, 3, 1>,
                               block<R, 3, 3>};
constexpr Functions kFunctions[kRows] = {kOfRows<1>, kOfRows<2>, kOfRows<3>, kOfRows<4>,
                                         kOfRows<5>, kOfRows<6>, kOfRows<7>, kOfRows<8>};

/// How the rows are divided into blocks: the first `longer` of them have one row more.
struct Rows {
  std::int64_t blocks, size, longer;
};

/// All rows of one panel. With one block the panel itself is asked for some steps ahead; with more
/// than two it is in the second-level cache after the first block, and the last three blocks ask
/// for a third each of the next panel.
void run_panel(const GemmS8Args& a, const Panel& p, const Rows& rows) {
  const std::int64_t third = 16 * column_bytes_s8(a.K);
  for (std::int64_t i = 0, m = 0; i < rows.blocks; ++i) {
    const std::int64_t size = rows.size + (i < rows.longer ? 1 : 0), left = rows.blocks - 1 - i;
    const Functions& f = kFunctions[size - 1];
    if (p.width < kPanelS8) {
      f.narrow[(p.width - 1) / 16](a, p, m, p.w);
    } else if (rows.blocks == 2) {
      return two_blocks(a, p);
    } else if (rows.blocks == 1) {
      f.all(a, p, m, p.w + (a.M <= 2 ? kNear : kFar) * kVectors * 64);
    } else if (left < 3) {
      f.third(a, p, m, p.w + 3 * third + (2 - left) * third);
    } else {
      f.quiet(a, p, m, p.w);
    }
    m += size;
  }
}

}  // namespace

void gemm_s8(const GemmS8Args& a) noexcept {
  if (a.M <= 0) return;
  const std::int64_t blocks = (a.M + kRows - 1) / kRows;
  const Rows rows = {blocks, a.M / blocks, a.M % blocks};
  for (std::int64_t n = a.n_begin; n < a.n_end; n += kPanelS8) {
    const std::int64_t width = a.n_end - n < kPanelS8 ? a.n_end - n : kPanelS8;
    run_panel(a, {a.w + n * column_bytes_s8(a.K), n, width}, rows);
  }
}

}  // namespace linnet::kernels::avx512_vnni
