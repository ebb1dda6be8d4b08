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

/// The block of rows i of `blocks` and one panel. Weights are asked for before their time.
/// With one or two blocks, 48 steps ahead in the panel itself, into the first-level cache: blocks
/// of few rows read faster than the hardware fetches from the second level (9 rows: 78 -> 95 % of
/// the peak). At the speed of the third level (one or two rows) 8 steps are best. With more blocks,
/// a panel is in the second-level cache after the first one, and the last three ask for a third
/// each of the next panel: 20 to 40 % at 32 rows with weights from memory.
void run_block(const GemmF32Args& a, const Panel& p, std::int64_t blocks, std::int64_t i) {
  const Part rows = part_of(a.M, blocks, i);
  const Functions& f = kFunctions[rows.size - 1];
  const std::int64_t left = blocks - 1 - i;
  if (p.width < kPanel) {
    f.narrow[(p.width - 1) / 16](a, p, rows.begin, nullptr);
  } else if (blocks <= 2) {
    f.all(a, p, rows.begin, p.w + (a.M <= 2 ? 8 : 48) * kPanel);
  } else if (left < 3) {
    f.third(a, p, rows.begin, p.w + kPanel * a.K + (2 - left) * 16 * a.K);
  } else {
    f.quiet(a, p, rows.begin, nullptr);
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
    const Panel panel = {a.w + n * a.K, n, width};
    for (std::int64_t i = 0; i < blocks; ++i) run_block(a, panel, blocks, i);
  }
}

}  // namespace linnet::kernels::avx512
