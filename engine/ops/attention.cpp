// Dimension key: T tokens of the batch, A = heads · head width.
#include "engine/ops/attention.h"

#include <algorithm>
#include <atomic>
#include <cmath>

namespace linnet {
namespace {

constexpr std::int64_t kScratchAlign = 16;  // floats in 64 bytes

std::int64_t scratch_of_one(const kernels::KernelTable& kernels, const Attention& of,
                            std::int64_t longest) {
  const auto floats = of.kind == AttentionKind::kInt8 ? kernels.attention_s8.scratch_floats
                                                      : kernels.attention_f32.scratch_floats;
  return (floats(longest, of.head_width) + kScratchAlign - 1) / kScratchAlign * kScratchAlign;
}

// One item is one head of one sequence, or of a part of its queries where heads are few.
struct Items {
  std::int64_t heads, parts, all;

  Items(const Attention& of, const Batch& batch, std::int64_t threads) : heads(of.heads) {
    const std::int64_t pairs = batch.B() * heads;
    parts = threads == 1 ? 1 : std::max<std::int64_t>(1, 2 * threads / pairs);
    all = pairs * parts;
  }
};

// The arguments of one item: those of both kernels have the same names.
template <class Args>
Args args_of(const Items& items, std::int64_t i, Mat<float> y, Mat<const float> qkv,
             std::int64_t head_width, const Batch& batch) {
  const std::int64_t b = i / items.parts / items.heads, h = i / items.parts % items.heads,
                     part = i % items.parts;
  const std::int64_t begin = batch.starts[static_cast<std::size_t>(b)];
  Args args;
  args.ldy = y.ld;
  args.ld_qkv = qkv.ld;
  args.head_width = head_width;
  args.scale = static_cast<float>(1 / std::sqrt(static_cast<double>(head_width)));
  args.keys = batch.length(b);
  args.query_begin = args.keys * part / items.parts;
  args.query_end = args.keys * (part + 1) / items.parts;
  args.q = qkv.data + begin * qkv.ld + h * head_width;
  args.k = args.q + y.cols;
  args.v = args.k + y.cols;
  args.y = y.data + begin * y.ld + h * head_width;
  return args;
}

// Asks for what a head reads: its rows are pieces of a few lines far apart, which no prefetcher of
// the hardware follows.
template <class Args>
void ask_for(const Args& args) {
  constexpr std::int64_t kLine = 16;  // floats
  for (const float* const part : {args.k, args.q, args.v}) {
    for (std::int64_t t = 0; t < args.keys; ++t) {
      const float* row = part + t * args.ld_qkv;
      for (std::int64_t d = 0; d < args.head_width; d += kLine) __builtin_prefetch(row + d, 0, 2);
    }
  }
}

}  // namespace

std::int64_t attention_scratch_floats(const kernels::KernelTable& kernels, const Attention& of,
                                      int threads, std::int64_t longest) {
  return threads * scratch_of_one(kernels, of, longest);
}

void attention(const Context& ctx, Mat<float> y, Mat<const float> qkv, const Attention& of,
               const Batch& batch, float* scratch) {
  const std::int64_t A = y.cols;
  LINNET_ASSERT(A == of.heads * of.head_width && qkv.cols == 3 * A);
  LINNET_ASSERT(qkv.rows == batch.T() && y.rows == batch.T());
  const std::int64_t longest = batch.longest(), mine = scratch_of_one(ctx.kernels, of, longest);
  const std::int64_t threads = ctx.threads.count();
  const Items items(of, batch, threads);

  // Threads take items as they come, since sequences differ in length; results do not depend on who
  // does it.
  std::atomic<std::int64_t> next{0};
  const auto work = [&](std::int64_t, std::int64_t, int thread) {
    const auto run = [&](auto args, auto kernel) {
      args.scratch = scratch + thread * mine;
      if (args.query_begin < args.query_end) kernel(args);
    };
    std::int64_t following = next.fetch_add(1);
    while (following < items.all) {
      const std::int64_t i = following;
      following = next.fetch_add(1);
      if (following < items.all && following / items.parts != i / items.parts) {
        ask_for(args_of<kernels::AttentionF32Args>(items, following, y, qkv, of.head_width, batch));
      }
      if (of.kind == AttentionKind::kInt8) {
        run(args_of<kernels::AttentionS8Args>(items, i, y, qkv, of.head_width, batch),
            ctx.kernels.attention_s8.run);
      } else {
        run(args_of<kernels::AttentionF32Args>(items, i, y, qkv, of.head_width, batch),
            ctx.kernels.attention_f32.run);
      }
    }
  };
  const std::int64_t item_work = batch.T() * longest * A / std::max<std::int64_t>(items.all, 1);
  const std::int64_t worthwhile =
      items.all * item_work / 50'000;  // multiply-adds that pay for a thread
  parallel_for(ctx.threads, std::min({threads, items.all, std::max<std::int64_t>(worthwhile, 1)}),
               1, work);
}

}  // namespace linnet
