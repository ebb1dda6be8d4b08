// Dimension key: T tokens, N outputs, K inputs.
#include "engine/ops/dense.h"

#include <algorithm>

#include "engine/ops/dense_bf16.h"

namespace linnet {
namespace {

// As in linear.cpp: multiply-adds from which a thread brings more than it costs.
constexpr std::int64_t kGrain = 70'000;

// Floats of columns that are packed at a time: half of a second-level cache, from which the product
// reads them.
constexpr std::int64_t kPackedFloats = 128 * 1024;

// The columns, at least one step of the kernel.
std::int64_t packed_columns(const kernels::GemmF32& gemm, std::int64_t K) {
  return gemm.column_step *
         std::max<std::int64_t>(kPackedFloats / (gemm.column_step * std::max<std::int64_t>(K, 1)),
                                1);
}

// What a thread keeps of them, in whole lines of the cache.
std::int64_t packed_floats(const kernels::GemmF32& gemm, std::int64_t K) {
  return (gemm.packed_floats(packed_columns(gemm, K), K) + 15) / 16 * 16;
}

// y [T, N] = x [T, K] times the transpose of the matrix w [N, K]. Each thread packs the columns
// that it computes, some at a time.
struct Product {
  kernels::GemmF32Args args;
  const float* w;
  Strides strides;
  float* packed;
};

// Columns [begin, end) of y.
void multiply_columns(const kernels::GemmF32& gemm, const Product& p, std::int64_t begin,
                      std::int64_t end, float* packed) {
  kernels::GemmF32Args a = p.args;
  a.w = packed;
  a.y += begin;
  if (a.bias != nullptr) a.bias += begin;
  if (a.residual != nullptr) a.residual += begin;
  a.N = a.n_end = end - begin;
  gemm.pack(packed, p.w + begin * p.strides.n, p.strides.n, p.strides.k, a.N, a.K, 0, a.N);
  gemm.run(a);
}

void multiply(const Context& ctx, const Product& p) {
  const kernels::GemmF32& gemm = ctx.kernels.gemm_f32;
  const std::int64_t step = gemm.column_step, N = p.args.N, K = p.args.K;
  const std::int64_t panels = (N + step - 1) / step, some = packed_columns(gemm, K);
  const std::int64_t panel_work = std::max<std::int64_t>((p.args.M + 8) * step * K, 1);
  parallel_for(ctx.threads, panels, (kGrain + panel_work - 1) / panel_work,
               [&](std::int64_t begin, std::int64_t end, int thread) {
                 float* packed = p.packed + thread * packed_floats(gemm, K);
                 const std::int64_t last = std::min(end * step, N);
                 for (std::int64_t n = begin * step; n < last; n += some) {
                   multiply_columns(gemm, p, n, std::min(n + some, last), packed);
                 }
               });
}

void forward(const Context& ctx, Mat<float> y, Mat<const float> x, const Dense& w,
             const LinearEpilogue& epilogue, Strides strides, float* scratch) {
  LINNET_ASSERT(x.rows == y.rows);
  if (x.rows == 0) return;
  if (ctx.products == Precision::kBfloat16) {
    return dense_bf16(ctx, y, x, w, strides, epilogue, scratch);
  }
  kernels::GemmF32Args a;
  a.y = y.data, a.ldy = y.ld;
  a.x = x.data, a.ldx = x.ld;
  a.bias = w.bias.data;
  a.residual = epilogue.residual.data, a.ld_residual = epilogue.residual.ld;
  a.activation = epilogue.activation;
  a.M = y.rows, a.N = y.cols, a.K = x.cols;
  multiply(ctx, {a, w.weight.data, strides, scratch});
}

// dx = residual + dy times the weight with these strides.
void backward(const Context& ctx, const DenseBwd& g, const Dense& w, Strides strides,
              float* scratch) {
  LINNET_ASSERT(g.x.rows == g.dy.rows);
  if (ctx.products == Precision::kBfloat16) {
    return dense_dx_bf16(ctx, g, w.weight.data, strides, scratch);
  }
  kernels::GemmF32Args a;
  a.y = g.dx.data, a.ldy = g.dx.ld;
  a.x = g.dy.data, a.ldx = g.dy.ld;
  a.residual = g.residual.data, a.ld_residual = g.residual.ld;
  a.M = g.dy.rows, a.N = g.x.cols, a.K = g.dy.cols;
  multiply(ctx, {a, w.weight.data, {strides.k, strides.n}, scratch});
}

// c [N, K] += aᵀ·b of a [T, N] and b [T, K]: chains over the tokens.
void add_transposed_product(const Context& ctx, Mat<float> c, Mat<const float> a,
                            Mat<const float> b, float* scratch) {
  if (ctx.products == Precision::kBfloat16) {
    return add_transposed_product_bf16(ctx, c, a, b, scratch);
  }
  kernels::GemmTnF32Args tn;
  tn.c = c.data, tn.ldc = c.ld;
  tn.a = a.data, tn.lda = a.ld;
  tn.b = b.data, tn.ldb = b.ld;
  tn.start = kernels::ChainStart::kContinue;
  tn.T = a.rows, tn.N = a.cols, tn.K = b.cols;
  parallel_for(ctx.threads, tn.N, kGrain / (tn.T * tn.K + 1) + 1,
               [&](std::int64_t begin, std::int64_t end, int) {
                 kernels::GemmTnF32Args slice = tn;
                 slice.n_begin = begin, slice.n_end = end;
                 ctx.kernels.gemm_tn_f32(slice);
               });
}

}  // namespace

std::int64_t dense_scratch_floats(const kernels::KernelTable& kernels, int threads, std::int64_t N,
                                  std::int64_t K) {
  const kernels::GemmF32& gemm = kernels.gemm_f32;
  return threads * std::max(packed_floats(gemm, K), packed_floats(gemm, N));
}

void dense(const Context& ctx, Mat<float> y, Mat<const float> x, const Dense& w, float* scratch,
           const LinearEpilogue& epilogue) {
  LINNET_ASSERT(x.cols == w.weight.cols && y.cols == w.weight.rows);
  forward(ctx, y, x, w, epilogue, {w.weight.ld, 1}, scratch);
}

void dense_bwd(const Context& ctx, const DenseBwd& g, const Dense& w, const Dense& dw,
               float* scratch) {
  LINNET_ASSERT(g.x.cols == w.weight.cols && g.dy.cols == w.weight.rows);
  if (g.dy.rows == 0) return;
  if (dw.bias.data != nullptr) sum_tokens(ctx, dw.bias, g.dy);
  add_transposed_product(ctx, dw.weight, g.dy, g.x, scratch);
  if (g.dx.data != nullptr) backward(ctx, g, w, {w.weight.ld, 1}, scratch);
}

void conv1d(const Context& ctx, Mat<float> y, Mat<const float> x, const Dense& w, float* scratch,
            const LinearEpilogue& epilogue) {
  LINNET_ASSERT(x.cols == w.weight.rows && y.cols == w.weight.cols);
  forward(ctx, y, x, w, epilogue, {1, w.weight.ld}, scratch);
}

void conv1d_bwd(const Context& ctx, const DenseBwd& g, const Dense& w, const Dense& dw,
                float* scratch) {
  LINNET_ASSERT(g.x.cols == w.weight.rows && g.dy.cols == w.weight.cols);
  if (g.dy.rows == 0) return;
  if (dw.bias.data != nullptr) sum_tokens(ctx, dw.bias, g.dy);
  add_transposed_product(ctx, dw.weight, g.x, g.dy, scratch);
  if (g.dx.data != nullptr) backward(ctx, g, w, {1, w.weight.ld}, scratch);
}

void sum_tokens(const Context& ctx, Mat<float> sum, Mat<const float> a) {
  parallel_for(ctx.threads, a.cols, 100'000 / (a.rows + 1) + 16,
               [&](std::int64_t begin, std::int64_t end, int) {
                 kernels::SumColumnsF32Args args;
                 args.sum = sum.data;
                 args.a = a.data, args.lda = a.ld, args.T = a.rows;
                 args.n_begin = begin, args.n_end = end;
                 ctx.kernels.sum_columns_f32(args);
               });
}

}  // namespace linnet
