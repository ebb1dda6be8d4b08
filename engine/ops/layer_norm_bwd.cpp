#include "engine/ops/layer_norm_bwd.h"

namespace linnet {
namespace {

// Elements of one thread that pay for it: see layer_norm.cpp.
std::int64_t row_grain(std::int64_t D) { return 8192 / (D + 1) + 1; }

}  // namespace

void layer_norm_fwd(const Context& ctx, Mat<float> y, const NormRows& rows, Mat<const float> x,
                    const Norm& w, float eps) {
  LINNET_ASSERT(x.ld == x.cols && y.ld == y.cols);
  parallel_for(ctx.threads, x.rows, row_grain(x.cols),
               [&](std::int64_t begin, std::int64_t end, int) {
                 ctx.kernels.layer_norm_f32(y.row(begin), rows.mean.data + begin,
                                            rows.rstd.data + begin, x.row(begin), w.gamma.data,
                                            w.beta.data, end - begin, x.cols, eps);
               });
}

void layer_norm_bwd(const Context& ctx, Mat<float> dx, Mat<const float> dy, Mat<const float> x,
                    const NormRows& rows, const Norm& w, const Norm& dw) {
  LINNET_ASSERT(x.ld == x.cols && dy.ld == dy.cols && dx.ld == dx.cols);
  const std::int64_t T = x.rows, D = x.cols;
  parallel_for(ctx.threads, D, 100'000 / (T + 1) + 16,
               [&](std::int64_t begin, std::int64_t end, int) {
                 ctx.kernels.sum_columns_f32({.sum = dw.beta.data,
                                              .weighted = dw.gamma.data,
                                              .a = dy.data,
                                              .x = x.data,
                                              .lda = D,
                                              .mean = rows.mean.data,
                                              .rstd = rows.rstd.data,
                                              .T = T,
                                              .n_begin = begin,
                                              .n_end = end});
               });
  parallel_for(ctx.threads, T, row_grain(D), [&](std::int64_t begin, std::int64_t end, int) {
    ctx.kernels.layer_norm_bwd_f32({.dx = dx.row(begin),
                                    .dy = dy.row(begin),
                                    .x = x.row(begin),
                                    .gamma = w.gamma.data,
                                    .mean = rows.mean.data + begin,
                                    .rstd = rows.rstd.data + begin,
                                    .M = end - begin,
                                    .D = D});
  });
}

}  // namespace linnet
