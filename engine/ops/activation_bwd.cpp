#include "engine/ops/activation_bwd.h"

namespace linnet {
namespace {

constexpr std::int64_t kGrain = 8192;

}  // namespace

void activate(const Context& ctx, Mat<float> y, Mat<const float> x,
              kernels::Activation activation) {
  LINNET_ASSERT(x.ld == x.cols && y.ld == y.cols);
  parallel_for(ctx.threads, x.rows * x.cols, kGrain,
               [&](std::int64_t begin, std::int64_t end, int) {
                 ctx.kernels.activate_f32(y.data + begin, x.data + begin, end - begin, activation);
               });
}

void activate_bwd(const Context& ctx, Mat<float> dx, Mat<const float> dy, Mat<const float> x,
                  kernels::Activation activation) {
  LINNET_ASSERT(x.ld == x.cols && dy.ld == dy.cols && dx.ld == dx.cols);
  parallel_for(ctx.threads, x.rows * x.cols, kGrain,
               [&](std::int64_t begin, std::int64_t end, int) {
                 ctx.kernels.activate_bwd_f32(dx.data + begin, dy.data + begin, x.data + begin,
                                              end - begin, activation);
               });
}

}  // namespace linnet
