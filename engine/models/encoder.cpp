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
// Tokens of a group of sequences: its q, k and v stay in the second-level cache until attention has
// read them. Groups differ, since sequences stay whole.
constexpr std::int64_t kGroupRows = 128, kMostGroupRows = 160;

// Calls work(begin, end, ctx, ff) for all rows of a group: in blocks, each by one thread in its
// part of ctx.scratch, or all at once by all threads.
template <class Work>
void for_each_block(const Context& ctx, const EncoderScratch& s, std::int64_t rows,
                    const Work& work) {
  const std::int64_t threads = ctx.threads.count();
  if (s.block_bytes == 0 || (threads > 1 && rows < threads * kLeastRows)) {
    return work(0, rows, ctx, s.ff);
  }
  const std::int64_t blocks =
      ((rows + kBlockRows - 1) / kBlockRows + threads - 1) / threads * threads;
  std::atomic<std::int64_t> next{0};
  parallel_for(ctx.threads, threads, 1, [&](std::int64_t, std::int64_t, int thread) {
    const std::int64_t ld = s.ff.cols + kPadF, ff_bytes = kBlockRows * ld * 4;
    std::byte* memory = ctx.scratch.data + thread * s.block_bytes;
    const Mat<float> ff{reinterpret_cast<float*>(memory), kBlockRows, s.ff.cols, ld};
    Threads alone(1);
    const Context mine{ctx.kernels, alone, {memory + ff_bytes, s.block_bytes - ff_bytes}};
    for (std::int64_t b = next.fetch_add(1); b < blocks; b = next.fetch_add(1)) {
      work(rows * b / blocks, rows * (b + 1) / blocks, mine, ff);
    }
  });
}

// Some whole sequences on their way through a layer, and where it is computed.
struct Group {
  Batch batch;
  Mat<float> x;         // [rows, D]
  Operand in;           // x as this layer's qkv reads it
  Operand next_in;      // where x goes as the next layer's qkv will read it
  Mat<float> qkv;       // [rows, 3A]
  Mat<float> attended;  // [rows, A]
  float* attention_scratch;
};

// ff = activation(in · Wᵀ + b), as `output` reads it. GELU whose results are only quantised is the
// shorter one, computed while they are.
Operand feed_forward(const Context& ctx, const EncoderConfig& c, Mat<float> ff, const Operand& in,
                     const EncoderLayer& w) {
  using kernels::Activation;
  if (w.output.kind != LinearKind::kInt8 && w.output.kind != LinearKind::kOneDnnInt8) {
    linear(ctx, ff, in, w.intermediate, {.activation = c.activation});
    return prepare(ctx, ff, w.output);
  }
  linear(ctx, ff, in, w.intermediate);
  const bool gelu = c.activation == Activation::kGelu;
  return prepare(ctx, ff, w.output, gelu ? Activation::kGeluQ : c.activation);
}

// Post-norm block: x = LN(x + attention(x)), then x = LN(x + feed_forward(x)). Each LayerNorm
// leaves its rows as the next product reads them; `next` is the next layer's first, null after the
// last.
void block(const Context& ctx, const EncoderConfig& c, std::int64_t heads, const EncoderLayer& w,
           const Linear* next, const EncoderScratch& s, const Group& g) {
  linear(ctx, g.qkv, g.in, w.qkv);  // qkv      [T, 3A]
  attention(ctx, g.attended, g.qkv, {heads, c.head_width, c.attention}, g.batch,
            g.attention_scratch);  // attended [T, A]

  for_each_block(
      ctx, s, g.x.rows,
      [&](std::int64_t begin, std::int64_t end, const Context& mine, Mat<float> any_ff) {
        const Mat<float> x = g.x.slice_rows(begin, end), ff = any_ff.slice_rows(0, end - begin);
        const Mat<const float> attended = g.attended.slice_rows(begin, end);
        linear(mine, x, attended, w.attention_output, {.residual = x});      // x  [rows, D]
        Operand in = layer_norm(mine, x, w.attention_norm, w.intermediate);  // x  [rows, D]
        in = feed_forward(mine, c, ff, in, w);                               // ff [rows, F]
        linear(mine, x, in, w.output, {.residual = x});                      // x  [rows, D]
        if (next == nullptr) return layer_norm(mine, x, w.output_norm);      // x  [rows, D]
        layer_norm(mine, x, w.output_norm, *next,
                   g.next_in.slice_rows(begin, end));  // x  [rows, D]
      });
}

// Divides the sequences of a batch into groups for the threads, about equal in tokens, in s. Gives
// their number; 0 where the batch stays one, which all threads compute together.
std::int64_t divide(const Batch& batch, std::int64_t threads, EncoderScratch& s) {
  if (s.block_bytes == 0 || batch.B() == 1) return 0;
  const std::int64_t T = batch.T();
  const std::int64_t rounds = (T + threads * kGroupRows - 1) / (threads * kGroupRows);
  const std::int64_t groups = threads * rounds, most = std::min(T * 5 / 4 / groups, kMostGroupRows);
  std::int64_t* first = s.group_sequence.data;
  std::int64_t* starts = s.group_starts.data;
  std::int64_t found = 0;
  for (std::int64_t b = 0, g = 0; b < batch.B(); ++g) {
    const std::int64_t begin = batch.starts[static_cast<std::size_t>(b)];
    std::int64_t length = 0;
    first[g] = b;
    *starts++ = 0;
    while (b < batch.B() && (begin + length) * groups < (g + 1) * T) {
      length += batch.length(b++);
      *starts++ = length;
    }
    if (length == 0 || length > most) return 0;
    first[found = g + 1] = b;
  }
  return found;
}

// Group g of those that divide() has made, in the memory of one thread.
Group group_of(const Batch& batch, const EncoderScratch& s, const Group& all, std::int64_t g,
               int thread) {
  const std::int64_t first = s.group_sequence.data[g], end = s.group_sequence.data[g + 1];
  const std::int64_t begin = batch.starts[static_cast<std::size_t>(first)];
  const std::int64_t rows = batch.starts[static_cast<std::size_t>(end)] - begin;
  Group group = all;
  group.batch.tokens =
      batch.tokens.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(rows));
  group.batch.starts = {s.group_starts.data + first + g, static_cast<std::size_t>(end - first + 1)};
  group.x = all.x.slice_rows(begin, begin + rows);
  group.in = all.in.slice_rows(begin, begin + rows);
  if (all.next_in.x.data != nullptr) group.next_in = all.next_in.slice_rows(begin, begin + rows);
  group.qkv = {s.group.row(thread), rows, all.qkv.cols, all.qkv.cols};
  group.attended = {group.qkv.data + rows * all.qkv.cols, rows, all.attended.cols,
                    all.attended.cols};
  group.attention_scratch = s.attention.row(thread);
  return group;
}

}  // namespace

EncoderScratch::EncoderScratch(Layout& layout, const EncoderConfig& c,
                               const kernels::KernelTable& kernels, LinearKind kind, int threads,
                               std::int64_t tokens, std::int64_t longest,
                               std::int64_t head_floats) {
  const std::int64_t A = c.head_width * *std::max_element(c.heads.begin(), c.heads.end());
  x = layout.mat(tokens, c.D);
  attention = layout.mat(
      threads, attention_scratch_floats(kernels, {1, c.head_width, c.attention}, 1, longest));
  in.bytes = linear_scratch_bytes(kind, threads, tokens, c.D);
  in.data = layout.mat<std::byte>(1, in.bytes).data;
  const std::int64_t widest = std::max({c.D, A, c.F});
  linear.bytes = linear_scratch_bytes(kind, threads, tokens, widest);
  if (kind == LinearKind::kInt8) {
    block_bytes =
        kBlockRows * (c.F + kPadF) * 4 + linear_scratch_bytes(kind, 1, kBlockRows, widest);
    linear.bytes = std::max(linear.bytes, threads * block_bytes);
    group_sequence = layout.mat<std::int64_t>(1, tokens + 1);
    group_starts = layout.mat<std::int64_t>(1, 2 * tokens + 1);
  }
  linear.data = layout.mat<std::byte>(1, linear.bytes).data;
  const std::int64_t shared = layout.mark();
  qkv = layout.mat(tokens, 3 * A);
  attended = layout.mat(tokens, A);
  layout.rewind(shared);
  ff = layout.mat(tokens, c.F);
  layout.rewind(shared);
  head = layout.mat(1, head_floats);
  layout.rewind(shared);
  if (kind == LinearKind::kInt8) group = layout.mat(threads, kMostGroupRows * 4 * A);
}

Mat<float> encode(const Context& ctx, const EncoderConfig& c, const EncoderWeights& w,
                  EncoderScratch& s, const Batch& batch, HiddenStates hidden_states) {
  const std::int64_t T = batch.T();
  const int threads = ctx.threads.count();
  const Mat<float> x = s.x.slice_rows(0, T);
  embed(ctx, x, w.embeddings, batch);  // x [T, D]
  const auto operand_of = [&](const Linear& qkv) { return place_operand(ctx, s.in, x, qkv); };
  const Linear& first = w.layers.front().qkv;
  layer_norm(ctx, x, w.embedding_norm, first, operand_of(first));  // x [T, D]
  if (hidden_states) hidden_states(0, x);

  const std::int64_t groups = divide(batch, threads, s);
  for (std::int64_t i = 0; i < c.layers(); ++i) {
    const auto l = static_cast<std::size_t>(i);
    const EncoderLayer& layer = w.layers[l];
    const Linear* next = i + 1 < c.layers() ? &w.layers[l + 1].qkv : nullptr;
    const std::int64_t A = layer.attention_output.K;
    const Group all{.batch = batch,
                    .x = x,
                    .in = operand_of(layer.qkv),
                    .next_in = next == nullptr ? Operand() : operand_of(*next),
                    .qkv = {s.qkv.data, T, 3 * A, 3 * A},
                    .attended = {s.attended.data, T, A, A},
                    .attention_scratch = s.attention.data};
    if (groups == 0) {
      block(ctx, c, c.heads[l], layer, next, s, all);  // x [T, D]
    } else {
      std::atomic<std::int64_t> following{0};
      parallel_for(ctx.threads, threads, 1, [&](std::int64_t, std::int64_t, int thread) {
        Threads alone(1);
        const Context mine{
            ctx.kernels, alone, {s.linear.data + thread * s.block_bytes, s.block_bytes}};
        for (std::int64_t g = following.fetch_add(1); g < groups; g = following.fetch_add(1)) {
          block(mine, c, c.heads[l], layer, next, s, group_of(batch, s, all, g, thread));  // x
        }
      });
    }
    if (hidden_states) hidden_states(i + 1, x);
  }
  return x;
}

}  // namespace linnet
