// Dimension key: T tokens of the batch, A = heads · head width.
#include "engine/ops/causal_attention.h"

#include <algorithm>
#include <atomic>

namespace linnet {
namespace {

// Positions of a head's keys in whole panels.
std::int64_t in_panels(std::int64_t positions) {
  constexpr std::int64_t kPanel = kernels::kKeyPanel;
  return (positions + kPanel - 1) / kPanel * kPanel;
}

std::int64_t scratch_of_one(const kernels::KernelTable& kernels, std::int64_t longest,
                            std::int64_t head_width) {
  constexpr std::int64_t kAlign = 16;  // floats in 64 bytes
  const std::int64_t floats = kernels.attention_f32.scratch_floats(longest, head_width);
  return (floats + kAlign - 1) / kAlign * kAlign + 2 * in_panels(longest) * head_width;
}

std::int64_t past_of(std::span<const KeyValues> sequences, std::int64_t b) {
  return sequences.empty() ? 0 : sequences[static_cast<std::size_t>(b)].past;
}

// Keys of INT8, in panels, as floats.
void dequantize_keys(float* to, const std::byte* from, const float* scale, std::int64_t keys,
                     std::int64_t head_width) {
  constexpr std::int64_t kPanel = kernels::kKeyPanel;
  const auto* q = reinterpret_cast<const std::int8_t*>(from);
  for (std::int64_t j = 0; j < keys; j += kPanel) {
    for (std::int64_t d = 0; d < head_width; ++d, q += kPanel, to += kPanel) {
      for (std::int64_t i = 0; i < kPanel; ++i) to[i] = static_cast<float>(q[i]) * scale[j + i];
    }
  }
}

void dequantize_values(float* to, const std::byte* from, const float* scale, std::int64_t keys,
                       std::int64_t head_width) {
  const auto* q = reinterpret_cast<const std::int8_t*>(from);
  for (std::int64_t j = 0; j < keys; ++j, q += head_width, to += head_width) {
    for (std::int64_t d = 0; d < head_width; ++d) to[d] = static_cast<float>(q[d]) * scale[j];
  }
}

// Where head h of a sequence in a cache finds its keys and values; `room` is for those of INT8.
void set_keys(kernels::AttentionF32Args& args, const KeyValues& kv, std::int64_t h, float* room) {
  const std::byte *key = kv.key + h * kv.next_head, *value = kv.value + h * kv.next_head;
  args.ld_kv = args.head_width;
  args.k_in_panels = true;
  if (kv.key_scale == nullptr) {
    args.k = reinterpret_cast<const float*>(key);
    args.v = reinterpret_cast<const float*>(value);
    return;
  }
  constexpr std::int64_t kFloat = sizeof(float);
  float* values = room + in_panels(args.keys) * args.head_width;
  dequantize_keys(room, key, kv.key_scale + h * kv.next_head / kFloat, args.keys, args.head_width);
  dequantize_values(values, value, kv.value_scale + h * kv.next_head / kFloat, args.keys,
                    args.head_width);
  args.k = room;
  args.v = values;
}

}  // namespace

std::int64_t causal_attention_scratch_floats(const kernels::KernelTable& kernels, int threads,
                                             std::int64_t longest, std::int64_t head_width) {
  return threads * scratch_of_one(kernels, longest, head_width);
}

void causal_attention(const Context& ctx, const CausalAttention& form, Mat<float> y,
                      Mat<const float> qkv, std::span<const KeyValues> sequences,
                      const Batch& batch, float* scratch) {
  const std::int64_t A = y.cols, heads = form.heads, head_width = A / heads;
  LINNET_ASSERT(qkv.cols == 3 * A && qkv.rows == batch.T() && y.rows == batch.T());
  std::int64_t longest = 0, work = 0;  // work: pairs of a query and a key
  for (std::int64_t b = 0; b < batch.B(); ++b) {
    const std::int64_t end = past_of(sequences, b) + batch.length(b);
    longest = std::max(longest, end);
    work += batch.length(b) * end;
  }
  const std::int64_t mine = scratch_of_one(ctx.kernels, longest, head_width);

  // One item is one head of one sequence, or of a part of its queries where heads are few. Threads
  // take items as they come; results do not depend on who does it.
  const std::int64_t pairs = batch.B() * heads, threads = ctx.threads.count();
  const std::int64_t parts = threads == 1 ? 1 : std::max<std::int64_t>(1, 2 * threads / pairs);
  const std::int64_t items = pairs * parts;
  std::atomic<std::int64_t> next{0};
  const auto attend = [&](std::int64_t, std::int64_t, int thread) {
    kernels::AttentionF32Args args;
    args.ldy = y.ld;
    args.ld_qkv = qkv.ld;
    args.head_width = head_width;
    args.scale = form.scale;
    args.causal = true;
    args.scratch = scratch + thread * mine;
    for (std::int64_t i = next.fetch_add(1); i < items; i = next.fetch_add(1)) {
      const std::int64_t b = i / parts / heads, h = i / parts % heads, part = i % parts;
      const std::int64_t begin = batch.starts[static_cast<std::size_t>(b)],
                         length = batch.length(b), past = past_of(sequences, b);
      args.keys = past + length;
      args.query_begin = past + length * part / parts;
      args.query_end = past + length * (part + 1) / parts;
      args.q = qkv.data + (begin - past) * qkv.ld + h * head_width;  // of position 0
      args.y = y.data + (begin - past) * y.ld + h * head_width;
      if (args.query_begin == args.query_end) continue;
      if (sequences.empty()) {
        args.k = qkv.row(begin) + A + h * head_width;
        args.v = args.k + A;
      } else {
        set_keys(args, sequences[static_cast<std::size_t>(b)], h,
                 args.scratch + mine - 2 * in_panels(longest) * head_width);
      }
      ctx.kernels.attention_f32.run(args);
    }
  };
  const std::int64_t worthwhile = work * A / 50'000;  // multiply-adds that pay for a thread
  parallel_for(ctx.threads, std::min({threads, items, std::max<std::int64_t>(worthwhile, 1)}), 1,
               attend);
}

}  // namespace linnet
