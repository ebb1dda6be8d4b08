#include "engine/core/batch.h"

#include <algorithm>
#include <string>

#include "weights/base/error.h"

namespace linnet {
namespace {

[[noreturn]] void refuse(const std::string& message) {
  throw Error(ErrorCode::kInvalidArgument, "batch: " + message);
}

void check_ids(std::span<const std::int32_t> ids, std::int64_t rows, const char* what) {
  for (std::size_t t = 0; t < ids.size(); ++t) {
    if (ids[t] < 0 || ids[t] >= rows) {
      refuse(std::string(what) + " " + std::to_string(ids[t]) + " at token " + std::to_string(t) +
             ", expected 0 to " + std::to_string(rows - 1));
    }
  }
}

}  // namespace

std::int64_t Batch::longest() const {
  std::int64_t longest = 0;
  for (std::int64_t b = 0; b < B(); ++b) longest = std::max(longest, length(b));
  return longest;
}

void check(const Batch& batch, const BatchLimits& limits) {
  if (batch.starts.empty() || batch.starts.front() != 0 || batch.starts.back() != batch.T()) {
    refuse("starts must run from 0 to the number of tokens, " + std::to_string(batch.T()));
  }
  for (std::int64_t b = 0; b < batch.B(); ++b) {
    if (batch.length(b) <= 0) refuse("sequence " + std::to_string(b) + " has no token");
  }
  if (batch.positions.size() != batch.tokens.size() ||
      (!batch.types.empty() && batch.types.size() != batch.tokens.size())) {
    refuse("positions and types must have one entry a token");
  }
  check_ids(batch.tokens, limits.vocab_size, "token id");
  check_ids(batch.positions, limits.positions, "position");
  check_ids(batch.types, limits.types, "token type");
}

}  // namespace linnet
