#pragma once

#include "engine/core/batch.h"
#include "engine/core/context.h"
#include "engine/core/mat.h"
#include "engine/ops/linear.h"

namespace linnet {

/// The three tables of a BERT-like model; type has no data where the model has no token types. Word
/// rows are FP32, or INT8 with a scale each, or the weights of an INT8 layer, whose product with
/// the vocabulary reads the same bytes.
struct EmbeddingTables {
  Mat<const float> word;                // [V, D]; no data: the next two
  Mat<const float> position;            // [P, D]
  Mat<const float> type;                // [types, D]
  Mat<const std::int8_t> word_s8 = {};  // [V, D]
  const float* word_scale = nullptr;    // [V]
  Linear word_packed = {};  // [V, D] of kInt8 or kInt4 without factors r; packed: in use
};

/// Bytes of Context::scratch that words in a packed layer need: two rows for each thread.
constexpr std::int64_t packed_words_scratch_bytes(int threads, std::int64_t D) {
  return threads * 2 * kernels::padded_k(D) * 4;
}

/// x[t] = (word[tokens[t]] + type[types[t]]) + position[positions[t]], x [T, D]. An INT8 row of
/// words is float(word_s8) · word_scale first; that of a packed layer then goes through the
/// layer's transform, which is its own inverse but for the gain that the weights were divided by.
void embed(const Context& ctx, Mat<float> x, const EmbeddingTables& w, const Batch& batch);

}  // namespace linnet
