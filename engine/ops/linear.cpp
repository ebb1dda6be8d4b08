// Dimension key: T tokens, N outputs, K inputs.
#include "engine/ops/linear.h"

#include <algorithm>

namespace linnet {
namespace {

// Below this many multiply-adds a second thread costs more than it brings: a region takes about
// 1 µs, in which one core does 100,000 of them.
constexpr std::int64_t kGrain = 100'000;

}  // namespace

void linear(const Context& ctx, Mat<float> y, Mat<const float> x, const Linear& w,
            const LinearEpilogue& epilogue) {
  LINNET_ASSERT(x.rows == y.rows && x.cols == w.K && y.cols == w.N);
  if (x.rows == 0) return;
  const kernels::GemmF32& gemm = ctx.kernels.gemm_f32;
  kernels::GemmF32Args args;
  args.y = y.data;
  args.ldy = y.ld;
  args.x = x.data;
  args.ldx = x.ld;
  args.w = w.packed;
  args.bias = w.bias;
  args.residual = epilogue.residual.data;
  args.ld_residual = epilogue.residual.ld;
  args.activation = epilogue.activation;
  args.M = x.rows;
  args.N = w.N;
  args.K = w.K;

  // Each thread keeps its own columns of the weights: they stay in its own cache from call to call.
  const std::int64_t panels = (w.N + gemm.column_step - 1) / gemm.column_step;
  const std::int64_t panel_work = std::max<std::int64_t>(x.rows * gemm.column_step * w.K, 1);
  parallel_for(ctx.threads, panels, (kGrain + panel_work - 1) / panel_work,
               [&](std::int64_t begin, std::int64_t end, int) {
                 kernels::GemmF32Args slice = args;
                 slice.n_begin = begin * gemm.column_step;
                 slice.n_end = std::min(end * gemm.column_step, w.N);
                 gemm.run(slice);
               });
}

}  // namespace linnet
