#pragma once

#include "engine/core/batch.h"
#include "engine/core/context.h"
#include "engine/core/mat.h"

namespace linnet {

/// The three tables of a BERT-like model; type has no data where the model has no token types. Word
/// rows are FP32, or INT8 with a scale each.
struct EmbeddingTables {
  Mat<const float> word;                // [V, D]; no data: the next two
  Mat<const float> position;            // [P, D]
  Mat<const float> type;                // [types, D]
  Mat<const std::int8_t> word_s8 = {};  // [V, D]
  const float* word_scale = nullptr;    // [V]
};

/// x[t] = (word[tokens[t]] + type[types[t]]) + position[positions[t]], x [T, D]. An INT8 row of
/// words is float(word_s8) · word_scale first.
void embed(const Context& ctx, Mat<float> x, const EmbeddingTables& w, const Batch& batch);

}  // namespace linnet
