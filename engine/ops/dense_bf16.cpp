// Dimension key: T tokens, M rows of a result, N its columns, K depth of a product.
#include "engine/ops/dense_bf16.h"

#include <algorithm>
#include <cstring>

namespace linnet {
namespace {

// As in linear.cpp: multiply-adds from which a thread brings more than it costs.
constexpr std::int64_t kGrain = 140'000;
// Deeper sums are made part by part: a panel of weights stays in the second-level cache.
constexpr std::int64_t kDepth = 4096;
// Rows and columns of a square that is transposed within the first-level cache.
constexpr std::int64_t kSquare = 32;

constexpr std::int64_t round_up(std::int64_t n, std::int64_t to) { return (n + to - 1) / to * to; }

// Numbers of scratch that hold so many BF16 rows; the next ones begin at a cache line.
std::int64_t numbers(std::int64_t rows, std::int64_t cols) {
  return round_up(rows * kernels::padded_k_bf16(cols), 32);
}

// Rows of BF16 numbers, padded with 0.
struct Rounded {
  std::uint16_t* data;
  std::int64_t rows, cols, ld;

  Rounded(std::uint16_t* memory, std::int64_t r, std::int64_t c)
      : data(memory), rows(r), cols(c), ld(kernels::padded_k_bf16(c)) {}
  std::uint16_t* row(std::int64_t i) const { return data + i * ld; }
  std::uint16_t* end() const { return data + numbers(rows, cols); }
};

Rounded round(const Context& ctx, Mat<const float> x, std::uint16_t* memory) {
  const Rounded to(memory, x.rows, x.cols);
  parallel_for(
      ctx.threads, x.rows, 20'000 / x.cols + 1, [&](std::int64_t begin, std::int64_t end, int) {
        ctx.kernels.round_rows_bf16(to.row(begin), to.ld, x.row(begin), x.ld, end - begin, x.cols);
      });
  return to;
}

void transpose_square(const Rounded& to, const Rounded& from, std::int64_t row, std::int64_t col) {
  const std::int64_t rows = std::min(row + kSquare, from.rows);
  const std::int64_t cols = std::min(col + kSquare, from.cols);
  for (std::int64_t c = col; c < cols; ++c) {
    for (std::int64_t r = row; r < rows; ++r) to.row(c)[r] = from.row(r)[c];
  }
}

// Numbers alone: the values are rounded already.
Rounded transpose(const Context& ctx, const Rounded& from) {
  const Rounded to(from.end(), from.cols, from.rows);
  parallel_for(ctx.threads, (from.cols + kSquare - 1) / kSquare, 20'000 / (from.ld * kSquare) + 1,
               [&](std::int64_t begin, std::int64_t end, int) {
                 for (std::int64_t col = begin * kSquare; col < end * kSquare; col += kSquare) {
                   for (std::int64_t row = 0; row < from.rows; row += kSquare) {
                     transpose_square(to, from, row, col);
                   }
                   for (std::int64_t c = col; c < std::min(col + kSquare, to.rows); ++c) {
                     std::fill(to.row(c) + to.cols, to.row(c) + to.ld, std::uint16_t{0});
                   }
                 }
               });
  return to;
}

// y [M, N] = x [M, K] · wᵀ, and what args.residual and args.bias say. Each thread packs a panel of
// w [N, K] at a time, in memory of its own, and multiplies by it.
struct Product {
  kernels::GemmBf16Args args;
  const float* w;
  Strides strides;
  std::uint16_t* panels;
};

void multiply(const Context& ctx, const Product& p) {
  constexpr std::int64_t kPanel = kernels::kPanelBf16;
  const std::int64_t padded = kernels::padded_k_bf16(p.args.K);
  const std::int64_t work = std::max<std::int64_t>((p.args.M + 8) * kPanel * p.args.K, 1);
  parallel_for(ctx.threads, (p.args.N + kPanel - 1) / kPanel, kGrain / work + 1,
               [&](std::int64_t begin, std::int64_t end, int thread) {
                 std::uint16_t* packed = p.panels + thread * kPanel * padded;
                 for (std::int64_t n = begin * kPanel; n < end * kPanel; n += kPanel) {
                   kernels::GemmBf16Args a = p.args;
                   a.N = a.n_end = std::min(kPanel, p.args.N - n);
                   a.w = packed;
                   a.y += n;
                   if (a.bias != nullptr) a.bias += n;
                   if (a.residual != nullptr) a.residual += n;
                   ctx.kernels.pack_bf16(packed, p.w + n * p.strides.n, p.strides.n, p.strides.k,
                                         a.K, 0, a.n_end);
                   ctx.kernels.gemm_bf16(a);
                 }
               });
}

// The same in parts of the depth.
void multiply_deep(const Context& ctx, Product p) {
  const std::int64_t K = p.args.K;
  const kernels::GemmBf16Args whole = p.args;
  const float* w = p.w;
  for (std::int64_t k = 0; k < K; k += kDepth) {
    p.args.x = whole.x + k;
    p.args.K = std::min(kDepth, K - k);
    p.w = w + k * p.strides.k;
    multiply(ctx, p);
    p.args.residual = whole.y, p.args.ld_residual = whole.ldy;
  }
}

Product product(Mat<float> y, const Rounded& x, const float* w, Strides strides,
                std::uint16_t* panels) {
  LINNET_ASSERT(x.rows == y.rows);
  kernels::GemmBf16Args a;
  a.y = y.data, a.ldy = y.ld;
  a.x = x.data, a.ldx = x.ld;
  a.M = y.rows, a.N = y.cols, a.K = x.cols;
  return {a, w, strides, panels};
}

std::uint16_t* memory_of(float* scratch) { return reinterpret_cast<std::uint16_t*>(scratch); }

}  // namespace

std::int64_t dense_scratch_floats_bf16(int threads, std::int64_t T, std::int64_t N,
                                       std::int64_t K) {
  const std::int64_t widest = std::max(N, K);
  const std::int64_t deepest = std::max(K, std::min(kDepth, std::max(N, T)));
  return (numbers(T, widest) + numbers(widest, T) +
          threads * numbers(kernels::kPanelBf16, deepest)) /
         2;
}

void dense_bf16(const Context& ctx, Mat<float> y, Mat<const float> x, const Dense& w,
                Strides strides, const LinearEpilogue& epilogue, float* scratch) {
  if (x.rows == 0) return;
  const Rounded rows = round(ctx, x, memory_of(scratch));
  Product p = product(y, rows, w.weight.data, strides, rows.end());
  p.args.bias = w.bias.data;
  p.args.residual = epilogue.residual.data, p.args.ld_residual = epilogue.residual.ld;
  p.args.activation = epilogue.activation;
  multiply(ctx, p);
}

void dense_dx_bf16(const Context& ctx, const DenseBwd& g, const float* w, Strides strides,
                   float* scratch) {
  const Rounded rows = round(ctx, g.dy, memory_of(scratch));
  Product p = product(g.dx, rows, w, {strides.k, strides.n}, rows.end());
  p.args.residual = g.residual.data, p.args.ld_residual = g.residual.ld;
  multiply_deep(ctx, p);
}

void add_transposed_product_bf16(const Context& ctx, Mat<float> c, Mat<const float> a,
                                 Mat<const float> b, float* scratch) {
  const Rounded columns = transpose(ctx, round(ctx, a, memory_of(scratch)));
  Product p = product(c, columns, b.data, {1, b.ld}, columns.end());
  p.args.residual = c.data, p.args.ld_residual = c.ld;
  multiply_deep(ctx, p);
}

}  // namespace linnet
