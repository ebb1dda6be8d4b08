// Dimension key: T tokens, N outputs, K inputs.
#include "engine/ops/dense.h"

#include <algorithm>

namespace linnet {
namespace {

// As in linear.cpp: multiply-adds from which a thread brings more than it costs.
constexpr std::int64_t kGrain = 70'000;

// y [T, N] = x [T, K] times the matrix whose element (n, k) is w[n·stride_n + k·stride_k]. Each
// thread packs the columns that it computes.
struct Product {
  kernels::GemmF32Args args;
  const float* w;
  std::int64_t stride_n, stride_k;
  float* packed;
};

void multiply(const Context& ctx, const Product& p) {
  const kernels::GemmF32& gemm = ctx.kernels.gemm_f32;
  const std::int64_t step = gemm.column_step, N = p.args.N, K = p.args.K;
  const std::int64_t panels = (N + step - 1) / step;
  const std::int64_t panel_work = std::max<std::int64_t>((p.args.M + 8) * step * K, 1);
  parallel_for(ctx.threads, panels, (kGrain + panel_work - 1) / panel_work,
               [&](std::int64_t begin, std::int64_t end, int) {
                 kernels::GemmF32Args a = p.args;
                 a.n_begin = begin * step;
                 a.n_end = std::min(end * step, N);
                 a.w = p.packed;
                 gemm.pack(p.packed, p.w, p.stride_n, p.stride_k, N, K, a.n_begin, a.n_end);
                 gemm.run(a);
               });
}

}  // namespace

std::int64_t dense_scratch_floats(const kernels::KernelTable& kernels, std::int64_t N,
                                  std::int64_t K) {
  return std::max(kernels.gemm_f32.packed_floats(N, K), kernels.gemm_f32.packed_floats(K, N));
}

void dense(const Context& ctx, Mat<float> y, Mat<const float> x, const Dense& w, float* scratch,
           const LinearEpilogue& epilogue) {
  LINNET_ASSERT(x.rows == y.rows && x.cols == w.weight.cols && y.cols == w.weight.rows);
  if (x.rows == 0) return;
  kernels::GemmF32Args a;
  a.y = y.data, a.ldy = y.ld;
  a.x = x.data, a.ldx = x.ld;
  a.bias = w.bias.data;
  a.residual = epilogue.residual.data, a.ld_residual = epilogue.residual.ld;
  a.activation = epilogue.activation;
  a.M = y.rows, a.N = y.cols, a.K = x.cols;
  multiply(ctx, {a, w.weight.data, w.weight.ld, 1, scratch});
}

void dense_bwd(const Context& ctx, const DenseBwd& g, const Dense& w, const Dense& dw,
               float* scratch) {
  const std::int64_t T = g.dy.rows, N = g.dy.cols, K = w.weight.cols;
  LINNET_ASSERT(g.x.rows == T && g.x.cols == K && w.weight.rows == N);
  if (T == 0) return;
  if (dw.bias.data != nullptr) sum_tokens(ctx, dw.bias, g.dy);
  kernels::GemmTnF32Args tn;
  tn.c = dw.weight.data, tn.ldc = dw.weight.ld;
  tn.a = g.dy.data, tn.lda = g.dy.ld;
  tn.b = g.x.data, tn.ldb = g.x.ld;
  tn.start = kernels::ChainStart::kContinue;
  tn.T = T, tn.N = N, tn.K = K;
  parallel_for(ctx.threads, N, kGrain / (T * K + 1) + 1,
               [&](std::int64_t begin, std::int64_t end, int) {
                 kernels::GemmTnF32Args slice = tn;
                 slice.n_begin = begin, slice.n_end = end;
                 ctx.kernels.gemm_tn_f32(slice);
               });
  if (g.dx.data == nullptr) return;
  kernels::GemmF32Args a;
  a.y = g.dx.data, a.ldy = g.dx.ld;
  a.x = g.dy.data, a.ldx = g.dy.ld;
  a.residual = g.residual.data, a.ld_residual = g.residual.ld;
  a.M = T, a.N = K, a.K = N;
  multiply(ctx, {a, w.weight.data, 1, w.weight.ld, scratch});
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
