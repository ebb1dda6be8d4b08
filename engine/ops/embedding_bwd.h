#pragma once

#include <optional>
#include <span>

#include "engine/core/context.h"
#include "engine/core/mat.h"

namespace linnet {

/// The gradient of rows looked up in a table: table[ids[t],:] += dx[t,:], for t in order. The row
/// `padding`, if given, gets none. `ids` empty: every token looked up row 0.
void embed_bwd(const Context& ctx, Mat<float> table, std::span<const std::int32_t> ids,
               Mat<const float> dx, std::optional<std::int64_t> padding = std::nullopt);

}  // namespace linnet
