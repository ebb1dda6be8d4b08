#include "kernels/avx2/avx2.h"
#include "kernels/avx2/vec.h"

// y = x·Wᵀ of BF16 operands, widened to FP32: half the bytes of weights for twice the instructions,
// which pays while weights come from memory. 6 rows x 16 columns, or 2 rows x a panel of 48.
namespace linnet::kernels::avx2 {
namespace {

constexpr int kRows = 6;

/// A part of a panel: its first weights, the distance from 2 k to the next, its place in y.
struct Part16 {
  const std::uint16_t* w;
  std::int64_t pitch, n, width;
};

inline __m256 lower(__m256i pair) { return _mm256_castsi256_ps(_mm256_slli_epi32(pair, 16)); }
inline __m256 upper(__m256i pair) {
  return _mm256_castsi256_ps(_mm256_and_si256(pair, _mm256_set1_epi32(-65536)));
}

/// Bias, activation and residual; nothing is stored to y before its residual is read.
template <int R, int V>
void finish(const GemmBf16Args& a, const Part16& p, std::int64_t m, float (&tile)[R * V * 8]) {
  if (a.bias != nullptr) {
    for (int r = 0; r < R; ++r) {
      float* row = tile + r * V * 8;
      for_each_8(p.width, [&](std::int64_t j, auto, auto lanes) {
        store(row + j, load(row + j, lanes) + load(a.bias + p.n + j, lanes), lanes);
      });
    }
  }
  if (a.activation != Activation::kNone) activate_f32(tile, tile, R * V * 8, a.activation);
  for (int r = 0; r < R; ++r) {
    const float* row = tile + r * V * 8;
    float* y = a.y + (m + r) * a.ldy + p.n;
    const float* residual =
        a.residual != nullptr ? a.residual + (m + r) * a.ld_residual + p.n : nullptr;
    for_each_8(p.width, [&](std::int64_t j, auto, auto lanes) {
      __m256 v = load(row + j, lanes);
      if (residual != nullptr) v = load(residual + j, lanes) + v;
      store(y + j, v, lanes);
    });
  }
}

/// R rows x 8·V columns.
template <int R, int V>
void block(const GemmBf16Args& a, const Part16& p, std::int64_t m) {
  __m256 acc[R][V];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) acc[r][v] = _mm256_setzero_ps();
  }
  const std::uint16_t* w = p.w;
  for (std::int64_t k = 0; k < padded_k_bf16(a.K); k += 2, w += 2 * p.pitch) {
    __m256i x[R];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      std::int32_t two;
      __builtin_memcpy(&two, a.x + (m + r) * a.ldx + k, 4);
      x[r] = _mm256_set1_epi32(two);
    }
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) {
      const __m256i pair = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(w + 16 * v));
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        acc[r][v] = _mm256_fmadd_ps(lower(x[r]), lower(pair), acc[r][v]);
        acc[r][v] = _mm256_fmadd_ps(upper(x[r]), upper(pair), acc[r][v]);
      }
    }
  }
  alignas(32) float tile[R * V * 8];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) _mm256_store_ps(tile + (r * V + v) * 8, acc[r][v]);
  }
  finish<R, V>(a, p, m, tile);
}

using BlockFn = void (*)(const GemmBf16Args&, const Part16&, std::int64_t);
constexpr BlockFn kNarrow[kRows] = {block<1, 2>, block<2, 2>, block<3, 2>,
                                    block<4, 2>, block<5, 2>, block<6, 2>};

}  // namespace

void gemm_bf16(const GemmBf16Args& a) noexcept {
  if (a.M <= 0) return;
  const std::int64_t blocks = (a.M + kRows - 1) / kRows;
  for (std::int64_t n = a.n_begin; n < a.n_end; n += kPanelBf16) {
    const std::int64_t width = a.n_end - n < kPanelBf16 ? a.n_end - n : kPanelBf16;
    const std::int64_t pitch = (width + 15) / 16 * 16;
    const std::uint16_t* w = a.w + n * padded_k_bf16(a.K);
    if (a.M <= 2 && pitch == kPanelBf16) {
      (a.M == 1 ? block<1, 6> : block<2, 6>)(a, {w, pitch, n, width}, 0);
      continue;
    }
    for (std::int64_t c = 0; c < width; c += 16) {
      const Part16 part = {w + 2 * c, pitch, n + c, width - c < 16 ? width - c : 16};
      for (std::int64_t i = 0, m = 0; i < blocks; ++i) {
        const std::int64_t size = a.M / blocks + (i < a.M % blocks ? 1 : 0);
        kNarrow[size - 1](a, part, m);
        m += size;
      }
    }
  }
}

}  // namespace linnet::kernels::avx2
