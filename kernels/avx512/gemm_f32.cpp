#include "kernels/avx512/avx512.h"
#include "kernels/avx512/chains.h"

// y = x·Wᵀ, 8 rows x 48 columns at a time. A panel of weights is one linear stream, read once per
// block of rows; x needs no packing.
namespace linnet::kernels::avx512 {
namespace {

constexpr std::int64_t kPanel = kGemmF32ColumnStep;
constexpr int kRows = 8, kVectors = 3;

std::int64_t round_up_16(std::int64_t n) { return (n + 15) / 16 * 16; }

/// One panel, or a part of it: where it starts in y, its weights and how wide it is.
struct Panel {
  const float* w;
  std::int64_t n, width;  // columns n .. n+width-1
};

/// Bias, activation and residual of R rows, through a tile that stays in the first-level cache: y
/// may be the residual, so nothing is stored there before its residual is read.
template <int R, int V>
void finish_through_tile(const GemmF32Args& a, const Panel& p, std::int64_t m,
                         const __m512 (&acc)[R][V], __mmask16 last) {
  alignas(64) float tile[R * V * 16];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) {
      __m512 y = acc[r][v];
      if (a.bias != nullptr) {
        y = y + _mm512_maskz_loadu_ps(v == V - 1 ? last : 0xFFFF, a.bias + p.n + 16 * v);
      }
      _mm512_store_ps(tile + (r * V + v) * 16, y);
    }
  }
  activate_f32(tile, tile, R * V * 16, a.activation);
  for (int r = 0; r < R; ++r) {
    for (int v = 0; v < V; ++v) {
      const __mmask16 mask = v == V - 1 ? last : 0xFFFF;
      const std::int64_t column = p.n + 16 * v;
      __m512 y = _mm512_load_ps(tile + (r * V + v) * 16);
      if (a.residual != nullptr) {
        y = _mm512_maskz_loadu_ps(mask, a.residual + (m + r) * a.ld_residual + column) + y;
      }
      _mm512_mask_storeu_ps(a.y + (m + r) * a.ldy + column, mask, y);
    }
  }
}

/// R rows of one panel.
template <int R, int V>
void block(const GemmF32Args& a, const Panel& p, std::int64_t m) {
  __m512 acc[R][V];
  chains<R, V>(acc, a.x + m * a.ldx, a.ldx, p.w, V * 16, a.K, 0xFFFF);
  const __mmask16 last = first(p.width - 16 * (V - 1));
  if (a.activation != Activation::kNone) return finish_through_tile<R, V>(a, p, m, acc, last);
#pragma GCC unroll 8
  for (int v = 0; v < V; ++v) {
    const __mmask16 mask = v == V - 1 ? last : 0xFFFF;
    const std::int64_t column = p.n + 16 * v;
    if (a.bias != nullptr) {
      const __m512 bias = _mm512_maskz_loadu_ps(mask, a.bias + column);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) acc[r][v] = acc[r][v] + bias;
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      if (a.residual != nullptr) {
        const float* residual = a.residual + (m + r) * a.ld_residual + column;
        acc[r][v] = _mm512_maskz_loadu_ps(mask, residual) + acc[r][v];
      }
      _mm512_mask_storeu_ps(a.y + (m + r) * a.ldy + column, mask, acc[r][v]);
    }
  }
}

using BlockFn = void (*)(const GemmF32Args&, const Panel&, std::int64_t);
template <int R>
constexpr BlockFn kOfVectors[kVectors] = {block<R, 1>, block<R, 2>, block<R, 3>};
constexpr const BlockFn* kBlock[kRows] = {kOfVectors<1>, kOfVectors<2>, kOfVectors<3>,
                                          kOfVectors<4>, kOfVectors<5>, kOfVectors<6>,
                                          kOfVectors<7>, kOfVectors<8>};

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
    const std::int64_t padded = round_up_16(width);
    float* panel = packed + n * K;
    for (std::int64_t k = 0; k < K; ++k) {
      for (std::int64_t j = 0; j < padded; ++j) {
        panel[k * padded + j] = j < width ? w[(n + j) * stride_n + k * stride_k] : 0.0f;
      }
    }
  }
}

void gemm_f32(const GemmF32Args& a) noexcept {
  const std::int64_t blocks = (a.M + kRows - 1) / kRows;
  for (std::int64_t n = a.n_begin; n < a.n_end; n += kPanel) {
    const std::int64_t width = a.n_end - n < kPanel ? a.n_end - n : kPanel;
    const Panel panel = {a.w + n * a.K, n, width};
    for (std::int64_t i = 0; i < blocks; ++i) {
      const Part rows = part_of(a.M, blocks, i);
      kBlock[rows.size - 1][(width - 1) / 16](a, panel, rows.begin);
    }
  }
}

}  // namespace linnet::kernels::avx512
