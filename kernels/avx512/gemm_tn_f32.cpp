#include "kernels/avx512/avx512.h"
#include "kernels/avx512/chains.h"

// c = aᵀ·b as sums of outer products: 8 rows x 48 columns of c in registers, tokens in blocks that
// keep a strip of b in the first-level cache while all rows pass; between blocks the sums wait in
// c, which is exact.
namespace linnet::kernels::avx512 {
namespace {

constexpr int kRows = 8, kVectors = 3;
// 128 tokens x 48 columns of b: 24 KB, half of the first-level cache.
constexpr std::int64_t kTokens = 128, kStrip = 16 * kVectors;
// 128 tokens x 768 columns of a stay in the second-level cache while all strips pass.
constexpr std::int64_t kGroup = 768;

/// Columns [k, k + width) of a block of tokens, copied side by side: rows of b a multiple of 4 KB
/// apart would share a few sets of the cache.
struct Strip {
  alignas(64) float b[kTokens * kStrip];
  std::int64_t tokens, k, width;
};

void copy_strip(Strip& s, const GemmTnF32Args& g, std::int64_t t) {
  const std::int64_t padded = (s.width + 15) / 16 * 16;
  for (std::int64_t i = 0; i < s.tokens; ++i) {
    const float* from = g.b + (t + i) * g.ldb + s.k;
    for (std::int64_t j = 0; j < padded; j += 16) {
      _mm512_store_ps(s.b + i * kStrip + j, _mm512_maskz_loadu_ps(first(s.width - j), from + j));
    }
  }
}

/// R rows of c from row n, of which a is the first token's.
template <int R, int V>
void block(const GemmTnF32Args& g, const Strip& s, std::int64_t n, const float* a, bool from_zero) {
  __m512 acc[R][V];
  const __mmask16 last = first(s.width - 16 * (V - 1));
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      const __mmask16 mask = v == V - 1 ? last : 0xFFFF;
      const float* c = g.c + (n + r) * g.ldc + s.k + 16 * v;
      acc[r][v] = from_zero ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(mask, c);
    }
  }
  // The next rows of c come from far away while these chains run.
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      _mm_prefetch(g.c + (n + R + r) * g.ldc + s.k + 16 * v, _MM_HINT_T0);
    }
  }
  const float* b = s.b;
  for (std::int64_t i = 0; i < s.tokens; ++i, a += g.lda, b += kStrip) {
    __m512 x[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) x[v] = _mm512_load_ps(b + 16 * v);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const __m512 y = _mm512_set1_ps(a[r]);
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) acc[r][v] = _mm512_fmadd_ps(y, x[v], acc[r][v]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      const __mmask16 mask = v == V - 1 ? last : 0xFFFF;
      _mm512_mask_storeu_ps(g.c + (n + r) * g.ldc + s.k + 16 * v, mask, acc[r][v]);
    }
  }
}

using BlockFn = void (*)(const GemmTnF32Args&, const Strip&, std::int64_t, const float*, bool);
template <int R>
constexpr BlockFn kOfRows[kVectors] = {block<R, 1>, block<R, 2>, block<R, 3>};
constexpr const BlockFn* kFunctions[kRows] = {kOfRows<1>, kOfRows<2>, kOfRows<3>, kOfRows<4>,
                                              kOfRows<5>, kOfRows<6>, kOfRows<7>, kOfRows<8>};

/// All `rows` of c from row n: a is the first token's row.
void multiply(const GemmTnF32Args& g, const Strip& s, std::int64_t n, std::int64_t rows,
              const float* a, bool from_zero) {
  const std::int64_t blocks = (rows + kRows - 1) / kRows;
  for (std::int64_t i = 0; i < blocks; ++i) {
    const Part part = part_of(rows, blocks, i);
    const BlockFn f = kFunctions[part.size - 1][(s.width - 1) / 16];
    const std::int64_t row = n + part.begin;
    f(g, s, row, s.tokens > 0 ? a + row : nullptr, from_zero);
  }
}

}  // namespace

void gemm_tn_f32(const GemmTnF32Args& g) noexcept {
  Strip strip;
  // Without a token the sums are still written.
  for (std::int64_t t = 0; t == 0 || t < g.T; t += kTokens) {
    strip.tokens = g.T - t < kTokens ? g.T - t : kTokens;
    const bool from_zero = t == 0 && g.start == ChainStart::kZero;
    for (std::int64_t begin = g.n_begin; begin < g.n_end; begin += kGroup) {
      const std::int64_t rows = g.n_end - begin < kGroup ? g.n_end - begin : kGroup;
      for (std::int64_t k = 0; k < g.K; k += kStrip) {
        strip.k = k;
        strip.width = g.K - k < kStrip ? g.K - k : kStrip;
        copy_strip(strip, g, t);
        multiply(g, strip, begin, rows, g.a + t * g.lda, from_zero);
      }
    }
  }
}

}  // namespace linnet::kernels::avx512
