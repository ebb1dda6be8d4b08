#pragma once

#include "engine/core/batch.h"
#include "engine/core/context.h"
#include "engine/core/mat.h"

namespace linnet {

/// The three tables of a BERT-like model; type has no data where the model has no token types.
struct EmbeddingTables {
  Mat<const float> word;      // [V, D]
  Mat<const float> position;  // [P, D]
  Mat<const float> type;      // [types, D]
};

/// x[t] = (word[tokens[t]] + type[types[t]]) + position[positions[t]], x [T, D].
void embed(const Context& ctx, Mat<float> x, const EmbeddingTables& w, const Batch& batch);

}  // namespace linnet
