#include "kernels/avx512/avx512.h"
#include "kernels/avx512/chains.h"
#include "kernels/avx512/finish_f32.h"
#include "kernels/avx512/panel.h"

// y = x·Wᵀ, 8 rows x 48 columns at a time. A panel of weights is one linear stream, read once per
// block of rows; x needs no packing.
namespace linnet::kernels::avx512 {
namespace {

static_assert(kPanel == kGemmF32ColumnStep);
constexpr int kRows = 8, kVectors = 3;
constexpr std::int64_t kSlice = 64;  // columns of x between turns of two blocks: 12 KB of weights

/// One panel, or a part of it: where it starts in y, its weights and how wide it is.
struct Panel {
  const float* w;
  std::int64_t n, width;  // columns n .. n+width-1
};

/// R rows of one panel. Asks for P lines of `ahead` per step.
template <int R, int V, int P>
void block(const GemmF32Args& a, const Panel& p, std::int64_t m, const float* ahead) {
  // The lines of y are fetched while the chains run: with rows of a multiple of 4 KB, stores that
  // miss cost 5 % otherwise.
  for (int r = 0; r < R; ++r) {
    for (int v = 0; v < V; ++v) _mm_prefetch(a.y + (m + r) * a.ldy + p.n + 16 * v, _MM_HINT_T0);
  }
  __m512 acc[R][V];
  chains<R, V, P>(acc, a.x + m * a.ldx, a.ldx, p.w, V * 16, a.K, 0xFFFF, ahead);
  finish_f32<R, V>(a, BlockF32{m, R, p.n, p.width}, acc);
}

/// Columns k .. k+size-1 of x against the same part of a whole panel.
struct Slice {
  std::int64_t k, size;
  const float* ahead;
};

/// R rows of a slice: their chains wait for the next one in a tile [R][48]. Asks for P lines of
/// what comes later per step.
template <int R, int P>
void slice(const GemmF32Args& a, const Panel& p, std::int64_t m, const Slice& s, float* tile) {
  constexpr int V = kVectors;
  __m512 acc[R][V];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      acc[r][v] = s.k == 0 ? _mm512_setzero_ps() : _mm512_load_ps(tile + (r * V + v) * 16);
    }
  }
  continue_chains<R, V, P>(acc, a.x + m * a.ldx + s.k, a.ldx, p.w + s.k * kPanel, kPanel, s.size,
                           0xFFFF, s.ahead);
  if (s.k + s.size == a.K) {
    return finish_f32<R, V>(a, BlockF32{m, R, p.n, p.width}, acc);
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) _mm512_store_ps(tile + (r * V + v) * 16, acc[r][v]);
  }
}

using SliceFn = void (*)(const GemmF32Args&, const Panel&, std::int64_t, const Slice&, float*);
constexpr std::int64_t kFewest = 4;  // rows of a block when there are two: M > 8
template <int P>
constexpr SliceFn kSlices[] = {slice<4, P>, slice<5, P>, slice<6, P>, slice<7, P>, slice<8, P>};

/// Two blocks of rows, which take turns slice by slice: the weights of one come from the
/// first-level cache while those of the next one are on their way. Block by block, the first one
/// would wait for memory and the second one leave it idle.
void two_blocks(const GemmF32Args& a, const Panel& p) {
  alignas(64) float tiles[2][kRows * kPanel];
  const std::int64_t first = (a.M + 1) / 2, second = a.M - first;
  std::int64_t k = 0;
  do {
    const std::int64_t size = a.K - k < kSlice ? a.K - k : kSlice;
    // The lines of the slice behind this one: two thirds while the first block runs.
    const float* next = p.w + (k + size) * kPanel;
    kSlices<2>[first - kFewest](a, p, 0, {k, size, next}, tiles[0]);
    kSlices<1>[second - kFewest](a, p, first, {k, size, next + 32 * size}, tiles[1]);
    k += size;
  } while (k < a.K);
}

using BlockFn = void (*)(const GemmF32Args&, const Panel&, std::int64_t, const float*);
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

/// All rows of one panel. Weights are asked for before their time. With one block, 48 steps ahead
/// in the panel itself, into the first-level cache: blocks of few rows read faster than the
/// hardware fetches from the second level. At the speed of the third level (one or two rows) 8
/// steps are best. With more than two blocks, a panel is in the second-level cache after the first
/// one, and the last three ask for a third each of the next panel: 20 to 40 % at 32 rows with
/// weights from memory.
void run_panel(const GemmF32Args& a, const Panel& p, std::int64_t blocks) {
  if (p.width == kPanel && blocks == 2) return two_blocks(a, p);
  for (std::int64_t i = 0; i < blocks; ++i) {
    const Part rows = part_of(a.M, blocks, i);
    const Functions& f = kFunctions[rows.size - 1];
    const std::int64_t left = blocks - 1 - i;
    if (p.width < kPanel) {
      f.narrow[(p.width - 1) / 16](a, p, rows.begin, nullptr);
    } else if (blocks == 1) {
      f.all(a, p, rows.begin, p.w + (a.M <= 2 ? 8 : 48) * kPanel);
    } else if (left < 3) {
      f.third(a, p, rows.begin, p.w + kPanel * a.K + (2 - left) * 16 * a.K);
    } else {
      f.quiet(a, p, rows.begin, nullptr);
    }
  }
}

}  // namespace

std::int64_t gemm_f32_packed_floats(std::int64_t N, std::int64_t K) noexcept {
  return round_up_16(N) * K;
}

void gemm_f32_pack(float* packed, const float* w, std::int64_t stride_n, std::int64_t stride_k,
                   std::int64_t N, std::int64_t K, std::int64_t n_begin,
                   std::int64_t n_end) noexcept {
  static_cast<void>(N);
  for (std::int64_t n = n_begin; n < n_end; n += kPanel) {
    const std::int64_t width = n_end - n < kPanel ? n_end - n : kPanel;
    float* panel = packed + n * K;
    const float* from = w + n * stride_n;
    if (stride_k == 1) {
      pack_rows(panel, from, stride_n, width, K);
    } else if (stride_n == 1) {
      pack_columns(panel, from, stride_k, width, K);
    } else {
      const std::int64_t padded = round_up_16(width);
      for (std::int64_t k = 0; k < K; ++k) {
        for (std::int64_t c = 0; c < padded; ++c) {
          panel[k * padded + c] = c < width ? from[c * stride_n + k * stride_k] : 0.0f;
        }
      }
    }
  }
}

void gemm_f32(const GemmF32Args& a) noexcept {
  const std::int64_t blocks = (a.M + kRows - 1) / kRows;
  for (std::int64_t n = a.n_begin; n < a.n_end; n += kPanel) {
    const std::int64_t width = a.n_end - n < kPanel ? a.n_end - n : kPanel;
    run_panel(a, {a.w + n * a.K, n, width}, blocks);
  }
}

}  // namespace linnet::kernels::avx512
