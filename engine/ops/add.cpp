#include "engine/ops/add.h"

namespace linnet {

void add(const Context& ctx, Mat<float> y, Mat<const float> x) {
  LINNET_ASSERT(x.rows == y.rows && x.cols == y.cols);
  // Additions from which a thread brings more than it costs.
  constexpr std::int64_t kGrain = 50'000;
  parallel_for(ctx.threads, y.rows, kGrain / (y.cols + 1) + 1,
               [&](std::int64_t begin, std::int64_t end, int) {
                 for (std::int64_t t = begin; t < end; ++t) {
                   float* to = y.row(t);
                   const float* from = x.row(t);
                   for (std::int64_t d = 0; d < y.cols; ++d) to[d] = from[d] + to[d];
                 }
               });
}

}  // namespace linnet
