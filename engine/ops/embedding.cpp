#include "engine/ops/embedding.h"

#include <algorithm>
#include <cstring>

namespace linnet {
namespace {

// Row n of packed weights [N, K] as floats times its scale, padded_k(K) of them: kernels::PackS8Fn.
void unpack_row(float* to, const Linear& w, std::int64_t n) {
  const std::int64_t first = n / kernels::kPanelS8 * kernels::kPanelS8;
  const std::int64_t pitch = std::min(kernels::kPanelS8, (w.N - first + 15) / 16 * 16);
  const std::byte* panel = w.packed + first * kernels::column_bytes_s8(w.K) + 4 * pitch;
  for (std::int64_t k = 0; k < kernels::padded_k(w.K); k += 4) {
    std::int8_t q[4];
    std::memcpy(q, panel + k * pitch + 4 * (n - first), 4);
    for (std::int64_t j = 0; j < 4; ++j) to[k + j] = static_cast<float>(q[j]) * w.scale[n];
  }
}

// The same of weights of 4 bits: kernels::PackS4Fn.
void unpack_row_of_4_bits(float* to, const Linear& w, std::int64_t n) {
  const std::int64_t first = n / kernels::kPanelS4 * kernels::kPanelS4, column = n - first;
  const std::int64_t pitch = w.N - first > 16 ? 32 : 16;
  const std::byte* both = w.packed + first * kernels::column_bytes_s4(w.K);  // of two groups
  for (std::int64_t k = 0; k < kernels::padded_k(w.K); k += 64, both += 34 * pitch) {
    for (std::int64_t i = 0; i < 64; ++i) {
      const auto byte =
          std::to_integer<std::int32_t>(both[2 * pitch + (i / 8 * pitch + column) * 4 + i % 4]);
      const std::int32_t q = (i % 8 < 4 ? byte & 15 : byte >> 4) - 8;
      const auto t = static_cast<std::int8_t>(both[i / kernels::kGroupS4 * pitch + column]);
      to[k + i] = static_cast<float>(t * q) * w.scale[n];
    }
  }
}

// x = (word + type) + position for one token, its word from a packed layer. `room` has two rows.
void embed_packed(const Context& ctx, const Linear& words, kernels::EmbedRowsArgs a, float* room) {
  constexpr std::int32_t kFirst = 0;
  const std::int64_t K64 = kernels::padded_k(words.K);
  const auto unpack = words.kind == LinearKind::kInt4 ? unpack_row_of_4_bits : unpack_row;
  unpack(room, words, *a.tokens);
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
