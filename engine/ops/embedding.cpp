#include "engine/ops/embedding.h"

#include "engine/ops/packed_rows.h"

namespace linnet {
namespace {

// Row n of packed weights [N, K] as floats times its scale, padded_k(K) of them. `bytes` is scratch
// for twice as many.
void unpack_row(float* to, const Linear& w, std::int64_t n, std::int8_t* bytes) {
  const std::int64_t K64 = kernels::padded_k(w.K);
  if (w.kind != LinearKind::kInt4) {
    unpack_row_s8(bytes, w.packed, n, w.N, w.K);
    for (std::int64_t k = 0; k < K64; ++k) to[k] = static_cast<float>(bytes[k]) * w.scale[n];
    return;
  }
  std::int8_t* const t = bytes + K64;
  unpack_row_s4(bytes, t, w.packed, n, w.N, w.K);
  for (std::int64_t k = 0; k < K64; ++k) {
    to[k] = static_cast<float>(t[k / kernels::kGroupS4] * bytes[k]) * w.scale[n];
  }
}

// x = (word + type) + position for one token, its word from a packed layer. `room` has two rows.
void embed_packed(const Context& ctx, const Linear& words, kernels::EmbedRowsArgs a, float* room) {
  constexpr std::int32_t kFirst = 0;
  const std::int64_t K64 = kernels::padded_k(words.K);
  unpack_row(room, words, *a.tokens, reinterpret_cast<std::int8_t*>(room + K64));
  a.word = room;
  if (words.transform.any()) {
    kernels::TransformRowsF32Args turn;
    turn.y = room + K64, turn.ldy = K64;
    turn.x = room, turn.ldx = K64;
    turn.M = 1, turn.K = K64;
    turn.transform = words.transform;
    ctx.kernels.transform_rows_f32(turn);
    a.word = turn.y;
  }
  a.ld_word = K64;
  a.tokens = &kFirst;
  ctx.kernels.embed_rows(a);
}

}  // namespace

void embed(const Context& ctx, Mat<float> x, const EmbeddingTables& w, const Batch& batch) {
  LINNET_ASSERT(x.rows == batch.T());
  const std::int64_t grain = 16384 / (x.cols + 1) + 1;
  kernels::EmbedRowsArgs all;
  all.ldy = x.ld, all.D = x.cols;
  all.word = w.word.data, all.ld_word = w.word.ld;
  if (w.word.data == nullptr) {
    all.word_s8 = w.word_s8.data, all.ld_word = w.word_s8.ld;
    all.word_scale = w.word_scale;
  }
  all.type = w.type.data, all.ld_type = w.type.ld;
  all.position = w.position.data, all.ld_position = w.position.ld;
  const bool packed = w.word_packed.packed != nullptr;
  LINNET_ASSERT(!packed ||
                ctx.scratch.bytes >= packed_words_scratch_bytes(ctx.threads.count(), x.cols));
  parallel_for(ctx.threads, x.rows, grain, [&](std::int64_t begin, std::int64_t end, int thread) {
    kernels::EmbedRowsArgs a = all;
    a.y = x.row(begin), a.M = end - begin;
    a.tokens = batch.tokens.data() + begin;
    a.types = batch.types.empty() ? nullptr : batch.types.data() + begin;
    a.positions = batch.positions.data() + begin;
    if (!packed) return ctx.kernels.embed_rows(a);
    float* const room = reinterpret_cast<float*>(ctx.scratch.data) +
                        thread * 2 * kernels::padded_k(w.word_packed.K);
    for (a.M = 1; begin < end; ++begin, a.y += x.ld, ++a.tokens, ++a.positions) {
      embed_packed(ctx, w.word_packed, a, room);
      if (a.types != nullptr) ++a.types;
    }
  });
}

}  // namespace linnet
