#include "kernels/avx2/avx2.h"
#include "kernels/avx2/chains.h"
#include "kernels/avx2/panel.h"

// y = x·Wᵀ, 6 rows x 16 columns at a time; fewer rows take more panels, so that at least 8 chains
// are in flight.
namespace linnet::kernels::avx2 {
namespace {

static_assert(kPanel == kGemmF32ColumnStep);
constexpr int kRows = 6;

/// Bias, activation and residual of R rows and `width` columns, through a tile that stays in the
/// first-level cache: y may be the residual, so nothing is stored there before its residual is
/// read.
template <int R, int P>
void finish(const GemmF32Args& a, std::int64_t m, std::int64_t n, std::int64_t width,
            float (&tile)[R * P * 16]) {
  for (int r = 0; r < R; ++r) {
    float* row = tile + r * P * 16;
    if (a.bias != nullptr) {
      for_each_8(width, [&](std::int64_t j, auto, auto lanes) {
        store(row + j, load(row + j, lanes) + load(a.bias + n + j, lanes), lanes);
      });
    }
  }
  if (a.activation != Activation::kNone) activate_f32(tile, tile, R * P * 16, a.activation);
  for (int r = 0; r < R; ++r) {
    const float* row = tile + r * P * 16;
    float* y = a.y + (m + r) * a.ldy + n;
    if (a.residual != nullptr) {
      const float* residual = a.residual + (m + r) * a.ld_residual + n;
      for_each_8(width, [&](std::int64_t j, auto, auto lanes) {
        store(y + j, load(residual + j, lanes) + load(row + j, lanes), lanes);
      });
    } else {
      for_each_8(width, [&](std::int64_t j, auto, auto lanes) {
        store(y + j, load(row + j, lanes), lanes);
      });
    }
  }
}

/// Columns [n, n + width) of the product, and the weights to ask for while they are computed.
struct Columns {
  std::int64_t n, width;
  const float* ahead;
};

/// R rows of P panels.
template <int R, int P, bool ask>
void block(const GemmF32Args& a, const Columns& c, std::int64_t m) {
  __m256 acc[R][2 * P];
  chains<R, P, ask>(acc, a.x + m * a.ldx, a.ldx, a.w + c.n * a.K, kPanel, kPanel * a.K, a.K,
                    c.ahead);
  alignas(32) float tile[R * P * 16];
  store_tile<R, P>(tile, acc);
  finish<R, P>(a, m, c.n, c.width, tile);
}

/// The kernels for R rows: several panels at a time that ask for weights, one that does, one that
/// does not.
using BlockFn = void (*)(const GemmF32Args&, const Columns&, std::int64_t);
struct Functions {
  std::int64_t panels;
  BlockFn many, one, quiet;
};
template <int R, int P>
constexpr Functions kOfRows = {P, block<R, P, true>, block<R, 1, true>, block<R, 1, false>};
constexpr Functions kFunctions[kRows] = {kOfRows<1, 4>, kOfRows<2, 2>, kOfRows<3, 2>,
                                         kOfRows<4, 1>, kOfRows<5, 1>, kOfRows<6, 1>};

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
      for (std::int64_t k = 0; k < K; ++k) {
        for (std::int64_t c = 0; c < kPanel; ++c) {
          panel[k * kPanel + c] = c < width ? from[c * stride_n + k * stride_k] : 0.0f;
        }
      }
    }
  }
}

// Weights that are read once are asked for some steps ahead. A panel that several blocks of rows
// read is in the second-level cache after the first; the last block asks for the next panel.
void gemm_f32(const GemmF32Args& a) noexcept {
  if (a.M <= 0) return;
  const std::int64_t blocks = (a.M + kRows - 1) / kRows;
  const std::int64_t panels = kFunctions[part_of(a.M, blocks, 0).size - 1].panels;
  for (std::int64_t n = a.n_begin; n < a.n_end;) {
    const std::int64_t left = a.n_end - n;
    const bool many = panels > 1 && left >= panels * kPanel;  // then there is one block of rows
    const std::int64_t room = many ? panels * kPanel : kPanel;
    const std::int64_t steps_ahead = blocks > 2 ? a.K : a.M <= 2 ? 16 : 48;
    const Columns columns = {n, left < room ? left : room, a.w + n * a.K + steps_ahead * kPanel};
    for (std::int64_t i = 0; i < blocks; ++i) {
      const Part rows = part_of(a.M, blocks, i);
      const Functions& f = kFunctions[rows.size - 1];
      (many ? f.many : blocks <= 2 || i + 1 == blocks ? f.one : f.quiet)(a, columns, rows.begin);
    }
    n += columns.width;
  }
}

}  // namespace linnet::kernels::avx2
