#include "engine/ops/embedding_bwd.h"

namespace linnet {

void embed_bwd(const Context& ctx, Mat<float> table, std::span<const std::int32_t> ids,
               Mat<const float> dx, std::optional<std::int64_t> padding) {
  // By columns: each row of the table is one chain over the tokens.
  parallel_for(ctx.threads, dx.cols, 100'000 / (dx.rows + 1) + 16,
               [&](std::int64_t begin, std::int64_t end, int) {
                 for (std::int64_t t = 0; t < dx.rows; ++t) {
                   const std::int64_t id = ids.empty() ? 0 : ids[static_cast<std::size_t>(t)];
                   if (padding == id) continue;
                   float* row = table.row(id);
                   const float* from = dx.row(t);
                   for (std::int64_t d = begin; d < end; ++d) row[d] += from[d];
                 }
               });
}

}  // namespace linnet
