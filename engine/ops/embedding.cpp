#include "engine/ops/embedding.h"

namespace linnet {

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
  parallel_for(ctx.threads, x.rows, grain, [&](std::int64_t begin, std::int64_t end, int) {
    kernels::EmbedRowsArgs a = all;
    a.y = x.row(begin), a.M = end - begin;
    a.tokens = batch.tokens.data() + begin;
    a.types = batch.types.empty() ? nullptr : batch.types.data() + begin;
    a.positions = batch.positions.data() + begin;
    ctx.kernels.embed_rows(a);
  });
}

}  // namespace linnet
