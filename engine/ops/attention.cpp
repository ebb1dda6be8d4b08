// Dimension key: T tokens of the batch, A = heads · head width.
#include "engine/ops/attention.h"

#include <algorithm>
#include <atomic>
#include <cmath>

namespace linnet {
namespace {

constexpr std::int64_t kScratchAlign = 16;  // floats in 64 bytes

std::int64_t scratch_of_one(const kernels::KernelTable& kernels, std::int64_t longest,
                            std::int64_t head_width) {
  const std::int64_t floats = kernels.attention_f32.scratch_floats(longest, head_width);
  return (floats + kScratchAlign - 1) / kScratchAlign * kScratchAlign;
}

std::int64_t longest_of(const Batch& batch) {
  std::int64_t longest = 0;
  for (std::int64_t b = 0; b < batch.B(); ++b) longest = std::max(longest, batch.length(b));
  return longest;
}

}  // namespace

std::int64_t attention_scratch_floats(const kernels::KernelTable& kernels, int threads,
                                      std::int64_t longest, std::int64_t head_width) {
  return threads * scratch_of_one(kernels, longest, head_width);
}

void attention(const Context& ctx, Mat<float> y, Mat<const float> qkv, std::int64_t heads,
               const Batch& batch, float* scratch) {
  const std::int64_t A = y.cols, head_width = A / heads;
  LINNET_ASSERT(qkv.cols == 3 * A && qkv.rows == batch.T() && y.rows == batch.T());
  const std::int64_t mine = scratch_of_one(ctx.kernels, longest_of(batch), head_width);

  // One item is one head of one sequence, or of a part of its queries where heads are few. Threads
  // take items as they come, since sequences differ in length; results do not depend on who does
  // it.
  const std::int64_t pairs = batch.B() * heads, threads = ctx.threads.count();
  const std::int64_t parts = threads == 1 ? 1 : std::max<std::int64_t>(1, 2 * threads / pairs);
  const std::int64_t items = pairs * parts;
  std::atomic<std::int64_t> next{0};
  const auto work = [&](std::int64_t, std::int64_t, int thread) {
    kernels::AttentionF32Args args;
    args.ldy = y.ld;
    args.ld_qkv = qkv.ld;
    args.head_width = head_width;
    args.scale = static_cast<float>(1 / std::sqrt(static_cast<double>(head_width)));
    args.scratch = scratch + thread * mine;
    for (std::int64_t i = next.fetch_add(1); i < items; i = next.fetch_add(1)) {
      const std::int64_t b = i / parts / heads, h = i / parts % heads, part = i % parts;
      const std::int64_t begin = batch.starts[static_cast<std::size_t>(b)];
      args.keys = batch.length(b);
      args.query_begin = args.keys * part / parts;
      args.query_end = args.keys * (part + 1) / parts;
      args.q = qkv.data + begin * qkv.ld + h * head_width;
      args.k = args.q + A;
      args.v = args.k + A;
      args.y = y.data + begin * y.ld + h * head_width;
      if (args.query_begin < args.query_end) ctx.kernels.attention_f32.run(args);
    }
  };
  const std::int64_t item_work =
      batch.T() * longest_of(batch) * A / std::max<std::int64_t>(items, 1);
  const std::int64_t worthwhile =
      items * item_work / 50'000;  // multiply-adds that pay for a thread
  parallel_for(ctx.threads, std::min({threads, items, std::max<std::int64_t>(worthwhile, 1)}), 1,
               work);
}

}  // namespace linnet
