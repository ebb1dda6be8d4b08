// Dimension key: T tokens, N outputs, K inputs.
#include "engine/ops/linear.h"

#include <algorithm>

#include "engine/core/assert.h"

namespace linnet {
namespace {

// Multiply-adds from which a thread brings more than it costs. Two threads and one are equal at
// about 110,000 of them in all (M = 1: 55,000), and at 300,000 two are 1.3 to 2.7 times faster:
// bench_parallel on a Zen 5.
constexpr std::int64_t kGrain = 70'000;

// What the arguments of every product have in common.
template <class Args>
Args args_of(Mat<float> y, const Linear& w, const LinearEpilogue& epilogue) {
  Args args;
  args.y = y.data;
  args.ldy = y.ld;
  args.bias = w.bias;
  args.residual = epilogue.residual.data;
  args.ld_residual = epilogue.residual.ld;
  args.activation = epilogue.activation;
  args.M = y.rows;
  args.N = w.N;
  args.K = w.K;
  return args;
}

// Runs a product by slices of columns that begin at multiples of `step`. Each thread keeps its own
// columns of the weights: they stay in its own cache from call to call.
template <class Args>
void for_each_slice(const Context& ctx, const Args& args, std::int64_t step,
                    void (*run)(const Args&) noexcept) {
  const std::int64_t panels = (args.N + step - 1) / step;
  const std::int64_t panel_work = std::max<std::int64_t>(args.M * step * args.K, 1);
  parallel_for(ctx.threads, panels, (kGrain + panel_work - 1) / panel_work,
               [&](std::int64_t begin, std::int64_t end, int) {
                 Args slice = args;
                 slice.n_begin = begin * step;
                 slice.n_end = std::min(end * step, args.N);
                 run(slice);
               });
}

void linear_f32(const Context& ctx, Mat<float> y, const Operand& x, const Linear& w,
                const LinearEpilogue& epilogue) {
  auto args = args_of<kernels::GemmF32Args>(y, w, epilogue);
  args.x = x.x.data;
  args.ldx = x.x.ld;
  args.w = reinterpret_cast<const float*>(w.packed);
  for_each_slice(ctx, args, ctx.kernels.gemm_f32.column_step, ctx.kernels.gemm_f32.run);
}

void linear_bf16(const Context& ctx, Mat<float> y, const Operand& x, const Linear& w,
                 const LinearEpilogue& epilogue) {
  auto args = args_of<kernels::GemmBf16Args>(y, w, epilogue);
  args.x = x.rounded(0);
  args.ldx = x.ld;
  args.w = reinterpret_cast<const std::uint16_t*>(w.packed);
  for_each_slice(ctx, args, kernels::kPanelBf16, ctx.kernels.gemm_bf16);
}

// With weights of 8 or of 4 bits: they differ in the product and in the width of its panels.
void linear_integer(const Context& ctx, Mat<float> y, const Operand& x, const Linear& w,
                    const LinearEpilogue& epilogue) {
  auto args = args_of<kernels::GemmS8Args>(y, w, epilogue);
  args.x = x.quantised(0);
  args.ldx = x.ld;
  args.x_scale = x.scale;
  args.w = reinterpret_cast<const std::int8_t*>(w.packed);
  args.w_scale = w.scale;
  if (w.kind == LinearKind::kInt4) {
    return for_each_slice(ctx, args, kernels::kPanelS4, ctx.kernels.gemm_s4);
  }
  for_each_slice(ctx, args, kernels::kPanelS8, ctx.kernels.gemm_s8.run);
}

// linnet's own activation, for an INT8 layer of oneDNN.
void activate(const void* table, float* y, std::int64_t n, std::int32_t activation) {
  static_cast<const kernels::KernelTable*>(table)->activate_f32(
      y, y, n, static_cast<kernels::Activation>(activation));
}

void linear_onednn(const Context& ctx, Mat<float> y, const Operand& x, const Linear& w,
                   const LinearEpilogue& epilogue) {
  LinnetOneDnnRunArgs args{};
  args.M = y.rows;
  args.x = x.x.data;
  args.ldx = x.x.ld;
  if (w.kind == LinearKind::kOneDnnBfloat16) {
    args.x = x.rounded(0);
    args.ldx = x.ld;
  }
  if (w.kind == LinearKind::kOneDnnInt8) {
    args.x = x.quantised(0);
    args.ldx = x.ld;
    args.x_scale = x.scale;
    args.activate = activate;
    args.kernels = &ctx.kernels;
  }
  args.y = y.data;
  args.ldy = y.ld;
  args.activation = static_cast<std::int32_t>(epilogue.activation);
  args.residual = epilogue.residual.data;
  args.ld_residual = epilogue.residual.ld;
  w.onednn->run(ctx.threads, args);
}

}  // namespace

void linear(const Context& ctx, Mat<float> y, const Operand& x, const Linear& w,
            const LinearEpilogue& epilogue) {
  LINNET_ASSERT(x.kind == w.kind && x.x.rows == y.rows && x.x.cols == w.K && y.cols == w.N);
  if (y.rows == 0) return;
  switch (w.kind) {
    case LinearKind::kFloat32:
      return linear_f32(ctx, y, x, w, epilogue);
    case LinearKind::kBfloat16:
      return linear_bf16(ctx, y, x, w, epilogue);
    case LinearKind::kInt8:
    case LinearKind::kInt4:
      return linear_integer(ctx, y, x, w, epilogue);
    case LinearKind::kOneDnnFloat32:
    case LinearKind::kOneDnnBfloat16:
    case LinearKind::kOneDnnInt8:
      return linear_onednn(ctx, y, x, w, epilogue);
  }
}

void linear(const Context& ctx, Mat<float> y, Mat<const float> x, const Linear& w,
            const LinearEpilogue& epilogue) {
  linear(ctx, y, prepare(ctx, x, w), w, epilogue);
}

}  // namespace linnet
