#include "kernels/avx2/avx2.h"
#include "kernels/avx2/chains.h"

// c = aᵀ·b as sums of outer products: 6 rows x 16 columns of c in registers, tokens in blocks that
// keep a strip of b in the first-level cache while all rows pass; between blocks the sums wait in
// c, which is exact.
namespace linnet::kernels::avx2 {
namespace {

constexpr int kRows = 6;
constexpr std::int64_t kTokens = 256, kStrip = 16;  // 16 KB

/// Columns [k, k + width) of a block of tokens, copied side by side and filled up with zeros.
struct Strip {
  alignas(32) float b[kTokens * kStrip];
  std::int64_t tokens, k, width;
};

void copy_strip(Strip& s, const GemmTnF32Args& g, std::int64_t t) {
  for (std::int64_t i = 0; i < s.tokens; ++i) {
    const float* from = g.b + (t + i) * g.ldb + s.k;
    float* to = s.b + i * kStrip;
    if (s.width == kStrip) {
      _mm256_store_ps(to, _mm256_loadu_ps(from));
      _mm256_store_ps(to + 8, _mm256_loadu_ps(from + 8));
    } else {
      _mm256_store_ps(to + 8, _mm256_setzero_ps());
      if (s.width > 8) _mm256_store_ps(to + 8, load(from + 8, first(s.width - 8)));
      _mm256_store_ps(to, load(from, first(s.width)));
    }
  }
}

/// R rows of c from row n, of which a is the first token's.
template <int R>
void block(const GemmTnF32Args& g, const Strip& s, std::int64_t n, const float* a, bool from_zero) {
  __m256 acc[R][2];
  const Tail low = first(s.width), high = first(s.width - 8);
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    const float* c = g.c + (n + r) * g.ldc + s.k;
    acc[r][0] = from_zero ? _mm256_setzero_ps() : load(c, low);
    acc[r][1] = from_zero || s.width <= 8 ? _mm256_setzero_ps() : load(c + 8, high);
  }
  const float* b = s.b;
  for (std::int64_t i = 0; i < s.tokens; ++i, a += g.lda, b += kStrip) {
    const __m256 x0 = _mm256_load_ps(b), x1 = _mm256_load_ps(b + 8);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const __m256 y = _mm256_broadcast_ss(a + r);
      acc[r][0] = _mm256_fmadd_ps(y, x0, acc[r][0]);
      acc[r][1] = _mm256_fmadd_ps(y, x1, acc[r][1]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    float* c = g.c + (n + r) * g.ldc + s.k;
    store(c, acc[r][0], low);
    if (s.width > 8) store(c + 8, acc[r][1], high);
  }
}

using BlockFn = void (*)(const GemmTnF32Args&, const Strip&, std::int64_t, const float*, bool);
constexpr BlockFn kFunctions[kRows] = {block<1>, block<2>, block<3>, block<4>, block<5>, block<6>};

}  // namespace

void gemm_tn_f32(const GemmTnF32Args& g) noexcept {
  const std::int64_t rows = g.n_end - g.n_begin, blocks = (rows + kRows - 1) / kRows;
  Strip strip;
  // Without a token the sums are still written.
  for (std::int64_t t = 0; t == 0 || t < g.T; t += kTokens) {
    strip.tokens = g.T - t < kTokens ? g.T - t : kTokens;
    const bool from_zero = t == 0 && g.start == ChainStart::kZero;
    for (std::int64_t k = 0; k < g.K; k += kStrip) {
      strip.k = k;
      strip.width = g.K - k < kStrip ? g.K - k : kStrip;
      copy_strip(strip, g, t);
      for (std::int64_t i = 0; i < blocks; ++i) {
        const Part part = part_of(rows, blocks, i);
        const std::int64_t n = g.n_begin + part.begin;
        const float* a = strip.tokens > 0 ? g.a + t * g.lda + n : nullptr;
        kFunctions[part.size - 1](g, strip, n, a, from_zero);
      }
    }
  }
}

}  // namespace linnet::kernels::avx2
