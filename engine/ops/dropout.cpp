#include "engine/ops/dropout.h"

#include <algorithm>

namespace linnet {

kernels::DropoutF32Args dropout_args(const DropoutSite& site, const DropoutStep& step,
                                     std::int64_t b) {
  kernels::DropoutF32Args a;
  a.sample = step.samples[static_cast<std::size_t>(b)];
  a.step = step.step;
  a.stream = random_stream(RandomPurpose::kDropout, site.layer, site.site);
  a.seed = step.seed;
  a.threshold = static_cast<std::uint32_t>(static_cast<double>(site.probability) * 0x1p24 + 0.5);
  a.scale = 1 / (1 - site.probability);
  return a;
}

void dropout(const Context& ctx, Mat<float> x, const Batch& batch, const DropoutSite& site,
             const DropoutStep& step) {
  if (site.probability == 0) return;
  LINNET_ASSERT(x.ld == x.cols);
  parallel_for(ctx.threads, x.rows, 8192 / (x.cols + 1) + 1,
               [&](std::int64_t begin, std::int64_t end, int) {
                 for (std::int64_t b = 0; b < batch.B(); ++b) {
                   const std::int64_t start = batch.starts[static_cast<std::size_t>(b)];
                   const std::int64_t from = std::max(begin, start);
                   const std::int64_t to = std::min(end, start + batch.length(b));
                   if (from >= to) continue;
                   kernels::DropoutF32Args a = dropout_args(site, step, b);
                   a.x = x.row(from);
                   a.n = (to - from) * x.cols;
                   a.first = (from - start) * x.cols;
                   ctx.kernels.dropout_f32(a);
                 }
               });
}

void dropout_rows(const Context& ctx, Mat<float> x, const DropoutSite& site,
                  const DropoutStep& step) {
  if (site.probability == 0) return;
  for (std::int64_t b = 0; b < x.rows; ++b) {
    kernels::DropoutF32Args a = dropout_args(site, step, b);
    a.x = x.row(b), a.n = x.cols;
    ctx.kernels.dropout_f32(a);
  }
}

}  // namespace linnet
