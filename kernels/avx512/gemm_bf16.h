#pragma once

#include "kernels/avx512/finish_f32.h"
#include "kernels/ops.h"

// y = x·Wᵀ of BF16 operands, a few rows x 48 columns at a time. A panel of weights is one linear
// stream, read once per block of rows. A level says how two products per lane are added:
//   struct Product { static constexpr int kRows; static __m512 add(__m512 sum, __m512i x, __m512i
//   w); }
namespace linnet::kernels::avx512 {
namespace {

constexpr int kVectorsBf16 = 3;
constexpr std::int64_t kNearBf16 = 16, kFarBf16 = 48;  // steps between asking for weights and use

/// One panel, or a part of it: where it starts in y, its weights and how wide it is.
struct PanelBf16 {
  const std::uint16_t* w;
  std::int64_t n, width;  // columns n .. n+width-1
};

inline __m512i two_numbers(const std::uint16_t* x) {
  std::int32_t two;
  __builtin_memcpy(&two, x, 4);
  return _mm512_set1_epi32(two);
}

/// acc[r][v] lane j = sum over k of x[r, k]·w[k, 16·v + j], one chain whatever the number of rows:
/// a row's result does not depend on its company. Each step asks for the next P cache lines of
/// `ahead`.
template <class Product, int R, int V, int P>
[[gnu::always_inline]] inline void sums_bf16(__m512 (&acc)[R][V], const std::uint16_t* x,
                                             std::int64_t ldx, const std::uint16_t* w,
                                             std::int64_t K, const std::uint16_t* ahead) {
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) acc[r][v] = _mm512_setzero_ps();
  }
  for (std::int64_t k = 0; k < padded_k_bf16(K); k += 2, w += V * 32, ahead += P * 32) {
#pragma GCC unroll 4
    for (int line = 0; line < P; ++line) _mm_prefetch(ahead + line * 32, _MM_HINT_T0);
    __m512i column[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) column[v] = _mm512_loadu_si512(w + v * 32);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const __m512i row = two_numbers(x + r * ldx + k);
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) acc[r][v] = Product::add(acc[r][v], row, column[v]);
    }
  }
}

/// R rows of one panel. Asks for P lines of `ahead` per step.
template <class Product, int R, int V, int P>
void block_bf16(const GemmBf16Args& a, const PanelBf16& p, std::int64_t m,
                const std::uint16_t* ahead) {
  __m512 acc[R][V];
  sums_bf16<Product, R, V, P>(acc, a.x + m * a.ldx, a.ldx, p.w, a.K, ahead);
  finish_f32<R, V>(a, BlockF32{m, R, p.n, p.width}, acc);
}

using BlockFnBf16 = void (*)(const GemmBf16Args&, const PanelBf16&, std::int64_t,
                             const std::uint16_t*);
struct FunctionsBf16 {
  BlockFnBf16 narrow[kVectorsBf16];  // 1, 2, 3 vectors, of which the last may be partial
  BlockFnBf16 quiet, third, all;     // 3 vectors, asking for nothing, a third of a panel, a panel
};
template <class Product, int R>
constexpr FunctionsBf16 kOfRowsBf16 = {
    {block_bf16<Product, R, 1, 0>, block_bf16<Product, R, 2, 0>, block_bf16<Product, R, 3, 0>},
    block_bf16<Product, R, 3, 0>,
    block_bf16<Product, R, 3, 1>,
    block_bf16<Product, R, 3, 3>};

template <class Product>
constexpr FunctionsBf16 kFunctionsBf16[8] = {kOfRowsBf16<Product, 1>, kOfRowsBf16<Product, 2>,
                                             kOfRowsBf16<Product, 3>, kOfRowsBf16<Product, 4>,
                                             kOfRowsBf16<Product, 5>, kOfRowsBf16<Product, 6>,
                                             kOfRowsBf16<Product, 7>, kOfRowsBf16<Product, 8>};

/// All rows of one panel, in blocks whose sizes differ by one at most. With one or two blocks the
/// panel itself is asked for some steps ahead; with more it is in the second-level cache after the
/// first block, and the last three blocks ask for a third each of the next panel.
template <class Product>
void run_panel_bf16(const GemmBf16Args& a, const PanelBf16& p) {
  const std::int64_t blocks = (a.M + Product::kRows - 1) / Product::kRows;
  const std::int64_t third = 16 * padded_k_bf16(a.K);
  for (std::int64_t i = 0, m = 0; i < blocks; ++i) {
    const std::int64_t size = a.M / blocks + (i < a.M % blocks ? 1 : 0), left = blocks - 1 - i;
    const FunctionsBf16& f = kFunctionsBf16<Product>[size - 1];
    if (p.width < kPanelBf16) {
      f.narrow[(p.width - 1) / 16](a, p, m, p.w);
    } else if (blocks <= 2) {
      f.all(a, p, m, p.w + (a.M <= 2 ? kNearBf16 : kFarBf16) * kVectorsBf16 * 32);
    } else if (left < 3) {
      f.third(a, p, m, p.w + 3 * third + (2 - left) * third);
    } else {
      f.quiet(a, p, m, p.w);
    }
    m += size;
  }
}

template <class Product>
void gemm_bf16_of(const GemmBf16Args& a) {
  if (a.M <= 0) return;
  for (std::int64_t n = a.n_begin; n < a.n_end; n += kPanelBf16) {
    const std::int64_t width = a.n_end - n < kPanelBf16 ? a.n_end - n : kPanelBf16;
    run_panel_bf16<Product>(a, {a.w + n * padded_k_bf16(a.K), n, width});
  }
}

}  // namespace
}  // namespace linnet::kernels::avx512
