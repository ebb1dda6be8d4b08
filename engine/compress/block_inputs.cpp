// Dimension key: T tokens of all sequences, packed   D model width   A heads · head width
//                F feed-forward width
#include "engine/compress/block_inputs.h"

#include <algorithm>
#include <string>
#include <utility>

#include "engine/core/float_environment.h"
#include "engine/ops/attention.h"
#include "weights/base/error.h"

namespace linnet::compress {
namespace {

const Batch& checked(const EncoderModel& model, const Batch& batch) {
  const EncoderConfig& c = model.config;
  check(batch, {c.vocab_size, c.positions, c.token_types});
  if (batch.longest() > c.positions) {
    throw Error(ErrorCode::kInvalidArgument,
                "batch: a sequence has " + std::to_string(batch.longest()) +
                    " tokens, expected at most " + std::to_string(c.positions));
  }
  return batch;
}

}  // namespace

BlockByBlock::Buffers::Buffers(Layout& layout, const EncoderModel& model, AttentionKind kind,
                               int threads, const Batch& batch) {
  const EncoderConfig& c = model.config;
  const std::int64_t T = batch.T();
  const std::int64_t A = c.head_width * *std::max_element(c.heads.begin(), c.heads.end());
  x = layout.mat(T, c.D);
  before = layout.mat(T, c.D);
  middle = layout.mat(T, c.D);
  attended = layout.mat(T, A);
  const std::int64_t floats =
      attention_scratch_floats(model.kernels, {1, c.head_width, kind}, threads, batch.longest());
  attention = layout.mat(1, floats);
  linear.bytes = linear_scratch_bytes(LinearKind::kInt8, threads, T, std::max({c.D, A, c.F}));
  linear.data = layout.mat<std::byte>(1, linear.bytes).data;
  const std::int64_t shared = layout.mark();
  qkv = layout.mat(T, 3 * A);
  layout.rewind(shared);
  ff = layout.mat(T, c.F);
}

BlockByBlock::BlockByBlock(Threads& threads, const EncoderModel& model,
                           const EncoderWeights& weights, AttentionKind attention,
                           const Batch& batch)
    : threads_(threads),
      model_(model),
      weights_(weights),
      attention_(attention),
      batch_(checked(model, batch)),
      buffers_(model, attention, threads.count(), batch_) {
  const FloatEnvironment environment;
  const Context ctx{model.kernels, threads};
  embed(ctx, buffers_->x, weights.embeddings, batch_);   // x [T, D]
  layer_norm(ctx, buffers_->x, weights.embedding_norm);  // x [T, D]
}

// The block of engine/models/encoder.cpp, keeping what each product reads.
BlockInputs BlockByBlock::next() {
  const FloatEnvironment environment;
  Buffers& s = *buffers_;
  const Context ctx{model_.kernels, threads_, s.linear};
  const EncoderConfig& c = model_.config;
  const EncoderLayer& w = weights_.layers[blocks_];
  std::swap(s.x, s.before);
  const std::int64_t T = batch_.T();
  const Mat<float> qkv{s.qkv.data, T, w.qkv.N, w.qkv.N};
  const Mat<float> attended{s.attended.data, T, w.attention_output.K, w.attention_output.K};

  linear(ctx, qkv, s.before, w.qkv);  // qkv      [T, 3A]
  attention(ctx, attended, qkv, {c.heads[blocks_], c.head_width, attention_}, batch_,
            s.attention.data);                                                  // attended [T, A]
  linear(ctx, s.middle, attended, w.attention_output, {.residual = s.before});  // middle   [T, D]
  layer_norm(ctx, s.middle, w.attention_norm);                                  // middle   [T, D]

  linear(ctx, s.ff, s.middle, w.intermediate, {.activation = c.activation});  // [T, F]
  linear(ctx, s.x, s.ff, w.output, {.residual = s.middle});                   // x        [T, D]
  layer_norm(ctx, s.x, w.output_norm);                                        // x        [T, D]
  ++blocks_;
  return {s.before, attended, s.middle, s.ff};
}

}  // namespace linnet::compress
