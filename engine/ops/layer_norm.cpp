#include "engine/ops/layer_norm.h"

namespace linnet {
namespace {

// Two threads and one are equal at about 12,000 elements in all: bench_parallel on a Zen 5.
std::int64_t grain_of(Mat<float> x) { return 8192 / (x.cols + 1) + 1; }

void norm_rows(const Context& ctx, Mat<float> rows, const LayerNorm& w) {
  ctx.kernels.layer_norm_f32(rows.data, nullptr, nullptr, rows.data, w.gamma, w.beta, rows.rows,
                             rows.cols, w.eps);
}

}  // namespace

void layer_norm(const Context& ctx, Mat<float> x, const LayerNorm& w) {
  LINNET_ASSERT(x.ld == x.cols);
  parallel_for(ctx.threads, x.rows, grain_of(x), [&](std::int64_t begin, std::int64_t end, int) {
    norm_rows(ctx, x.slice_rows(begin, end), w);
  });
}

void layer_norm(const Context& ctx, Mat<float> y, Mat<const float> x, const LayerNorm& w) {
  LINNET_ASSERT(x.ld == x.cols && y.ld == y.cols && y.rows == x.rows && y.cols == x.cols);
  parallel_for(ctx.threads, y.rows, grain_of(y), [&](std::int64_t begin, std::int64_t end, int) {
    ctx.kernels.layer_norm_f32(y.row(begin), nullptr, nullptr, x.row(begin), w.gamma, w.beta,
                               end - begin, y.cols, w.eps);
  });
}

Operand layer_norm(const Context& ctx, Mat<float> x, const LayerNorm& w, const Linear& consumer) {
  const Operand to = place_operand(ctx, ctx.scratch, x, consumer);
  layer_norm(ctx, x, w, consumer, to);
  return to;
}

void layer_norm(const Context& ctx, Mat<float> x, const LayerNorm& w, const Linear& consumer,
                const Operand& to) {
  LINNET_ASSERT(x.ld == x.cols && to.x.data == x.data && to.kind == consumer.kind);
  auto* row_scratch = reinterpret_cast<float*>(ctx.scratch.data);  // of kInt8, a row a thread
  const auto of_rows = [&](std::int64_t begin, std::int64_t end, int thread) {
    const Mat<float> rows = x.slice_rows(begin, end);
    switch (to.kind) {
      case LinearKind::kFloat32:
      case LinearKind::kOneDnnFloat32:
        return norm_rows(ctx, rows, w);
      case LinearKind::kBfloat16:
      case LinearKind::kOneDnnBfloat16:
        norm_rows(ctx, rows, w);
        return ctx.kernels.round_rows_bf16(to.rounded(begin), to.ld, rows.data, rows.ld, rows.rows,
                                           rows.cols);
      case LinearKind::kInt8:
      case LinearKind::kInt4:
      case LinearKind::kOneDnnInt8:
        return ctx.kernels.layer_norm_s8({.y = rows.data,
                                          .q = to.quantised(begin),
                                          .ldq = to.ld,
                                          .scale = to.scale + begin,
                                          .x = rows.data,
                                          .gamma = w.gamma,
                                          .beta = w.beta,
                                          .M = rows.rows,
                                          .D = rows.cols,
                                          .eps = w.eps,
                                          .shift = to.shift,
                                          .transform = consumer.transform,
                                          .scratch = row_scratch + thread * to.ld});
    }
  };
  parallel_for(ctx.threads, x.rows, grain_of(x), of_rows);
}

}  // namespace linnet
