// Dimension key for every comment in this file:
//   T tokens of all sequences, packed   D model width   A heads · head width   F feed-forward width
#include "engine/models/encoder.h"

#include <algorithm>
#include <atomic>

namespace linnet {
namespace {

// Rows of a block: what a block writes in FP32, [rows, F] above all, stays in the second-level
// cache until it is quantised, and weights are read once for that many rows.
constexpr std::int64_t kBlockRows = 64;
// Rows from which a thread works on its own blocks. Fewer share each product by columns, so that
// each thread reads only its part of the weights.
constexpr std::int64_t kLeastRows = 48;
// Rows of ff a multiple of 4 KB apart would share the sets of the first-level cache.
constexpr std::int64_t kPadF = 16;

// All that follows attention in one layer, and the product with which the next one begins, for some
// rows of x. Post-norm: x = LN(x + attention(x)), then x = LN(x + feed_forward(x)).
struct Rows {
  Mat<float> x;               // [rows, D]
  Mat<const float> attended;  // [rows, A]
  Mat<float> ff;              // [rows, F]
  Mat<float> qkv;             // [rows, 3A] of the next layer; no data: there is none
};

void finish_layer(const Context& ctx, const EncoderConfig& c, const EncoderLayer& w,
                  const EncoderLayer* next, const Rows& r) {
  Operand in = prepare(ctx, r.attended, w.attention_output);
  linear(ctx, r.x, in, w.attention_output, {.residual = r.x});          // x   [rows, D]
  in = layer_norm(ctx, r.x, w.attention_norm, w.intermediate);          // x   [rows, D]
  linear(ctx, r.ff, in, w.intermediate, {.activation = c.activation});  // ff  [rows, F]
  in = prepare(ctx, r.ff, w.output);
  linear(ctx, r.x, in, w.output, {.residual = r.x});  // x   [rows, D]
  if (next == nullptr) return layer_norm(ctx, r.x, w.output_norm);
  in = layer_norm(ctx, r.x, w.output_norm, next->qkv);  // x   [rows, D]
  linear(ctx, r.qkv, in, next->qkv);                    // qkv [rows, 3A]
}

// work(ctx, begin, end, ff) for all T rows: in blocks, each by one thread with scratch memory of
// its own, where that is faster, or all at once by all threads. Rows do not depend on each other.
template <class Work>
void for_each_block(const Context& ctx, const EncoderScratch& s, std::int64_t T, const Work& work) {
  const std::int64_t threads = ctx.threads.count();
  if (s.block_bytes == 0 || T < threads * kLeastRows) return work(ctx, 0, T, s.ff);
  const std::int64_t blocks = ((T + kBlockRows - 1) / kBlockRows + threads - 1) / threads * threads;
  std::atomic<std::int64_t> next{0};
  parallel_for(ctx.threads, threads, 1, [&](std::int64_t, std::int64_t, int thread) {
    const std::int64_t ld = s.ff.cols + kPadF, ff_bytes = kBlockRows * ld * 4;
    std::byte* memory = s.linear.data + thread * s.block_bytes;
    const Mat<float> ff{reinterpret_cast<float*>(memory), kBlockRows, s.ff.cols, ld};
    Threads alone(1);
    const Context mine{ctx.kernels, alone, {memory + ff_bytes, s.block_bytes - ff_bytes}};
    for (std::int64_t b = next.fetch_add(1); b < blocks; b = next.fetch_add(1)) {
      work(mine, T * b / blocks, T * (b + 1) / blocks, ff);
    }
  });
}

}  // namespace

EncoderScratch::EncoderScratch(Layout& layout, const EncoderConfig& c,
                               const kernels::KernelTable& kernels, LinearKind kind, int threads,
                               std::int64_t tokens, std::int64_t longest,
                               std::int64_t head_floats) {
  const std::int64_t A = c.head_width * *std::max_element(c.heads.begin(), c.heads.end());
  x = layout.mat(tokens, c.D);
  attention = layout.mat(
      1, attention_scratch_floats(kernels, {1, c.head_width, c.attention}, threads, longest));
  const std::int64_t widest = std::max({c.D, A, c.F});
  linear.bytes = linear_scratch_bytes(kind, threads, tokens, widest);
  if (kind == LinearKind::kInt8) {
    block_bytes =
        kBlockRows * (c.F + kPadF) * 4 + linear_scratch_bytes(kind, 1, kBlockRows, widest);
    linear.bytes = std::max(linear.bytes, threads * block_bytes);
  }
  linear.data = layout.mat<std::byte>(1, linear.bytes).data;
  const std::int64_t shared = layout.mark();
  qkv = layout.mat(tokens, 3 * A);
  attended = layout.mat(tokens, A);
  layout.rewind(shared);
  ff = layout.mat(tokens, c.F);
  layout.rewind(shared);
  head = layout.mat(1, head_floats);
}

Mat<float> encode(const Context& ctx, const EncoderConfig& c, const EncoderWeights& w,
                  EncoderScratch& s, const Batch& batch, HiddenStates hidden_states) {
  const std::int64_t T = batch.T();
  const Mat<float> x = s.x.slice_rows(0, T);
  const auto qkv_of = [&](const EncoderLayer* layer) {
    return layer == nullptr ? Mat<float>{} : Mat<float>{s.qkv.data, T, layer->qkv.N, layer->qkv.N};
  };

  embed(ctx, x, w.embeddings, batch);  // x [T, D]
  const EncoderLayer& first = w.layers.front();
  const Operand in = layer_norm(ctx, x, w.embedding_norm, first.qkv);  // x [T, D]
  if (hidden_states) hidden_states(0, x);
  linear(ctx, qkv_of(&first), in, first.qkv);  // qkv [T, 3A]

  for (std::int64_t i = 0; i < c.layers(); ++i) {
    const auto l = static_cast<std::size_t>(i);
    const EncoderLayer& layer = w.layers[l];
    const EncoderLayer* next = i + 1 < c.layers() ? &w.layers[l + 1] : nullptr;
    const std::int64_t A = layer.attention_output.K;
    const Mat<float> attended{s.attended.data, T, A, A};
    attention(ctx, attended, qkv_of(&layer), {c.heads[l], c.head_width, c.attention}, batch,
              s.attention.data);  // attended [T, A]
    const Mat<float> qkv = qkv_of(next);
    for_each_block(
        ctx, s, T, [&](const Context& mine, std::int64_t begin, std::int64_t end, Mat<float> ff) {
          finish_layer(mine, c, layer, next,
                       {x.slice_rows(begin, end), attended.slice_rows(begin, end),
                        ff.slice_rows(0, end - begin),
                        next == nullptr ? qkv : qkv.slice_rows(begin, end)});  // x [T, D], qkv
        });
    if (hidden_states) hidden_states(i + 1, x);
  }
  return x;
}

}  // namespace linnet
