#include "engine/ops/embedding.h"

namespace linnet {
namespace {

void embed_row(float* x, const float* word, const float* type, const float* position,
               std::int64_t D) {
  if (type == nullptr) {
    for (std::int64_t d = 0; d < D; ++d) x[d] = word[d] + position[d];
  } else {
    for (std::int64_t d = 0; d < D; ++d) x[d] = (word[d] + type[d]) + position[d];
  }
}

}  // namespace

void embed(const Context& ctx, Mat<float> x, const EmbeddingTables& w, const Batch& batch) {
  LINNET_ASSERT(x.rows == batch.T());
  const std::int64_t grain = 16384 / (x.cols + 1) + 1;
  parallel_for(ctx.threads, x.rows, grain, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t t = begin; t < end; ++t) {
      const auto i = static_cast<std::size_t>(t);
      const float* type = nullptr;
      if (w.type.data != nullptr) type = w.type.row(batch.types.empty() ? 0 : batch.types[i]);
      embed_row(x.row(t), w.word.row(batch.tokens[i]), type, w.position.row(batch.positions[i]),
                x.cols);
    }
  });
}

}  // namespace linnet
