#pragma once

#include <cstdint>
#include <vector>

#include "engine/core/mat.h"
#include "engine/core/memory.h"
#include "engine/ops/causal_attention.h"

namespace linnet {

/// Sizes of a key/value cache: `sequences` of up to `positions` tokens, in `layers` layers of `A`
/// columns for keys and as many for values.
struct KvCacheShape {
  std::int64_t sequences = 0, positions = 0, layers = 0, A = 0;

  /// Throws kLimit if they are more than any memory.
  std::int64_t bytes() const;
};

/// Keys and values of several sequences in FP32, one block that is allocated once. A place holds
/// the tokens 0 .. length-1 of a sequence; pages that no token has reached take no memory.
class KvCache {
 public:
  /// Throws kLimit when the shape takes more than `budget` bytes, stating both.
  KvCache(const KvCacheShape& shape, std::int64_t budget);

  const KvCacheShape& shape() const { return shape_; }
  std::int64_t bytes() const { return block_.bytes(); }
  std::int64_t length(std::int64_t sequence) const;
  /// Forgets the tokens from `length` on.
  void truncate(std::int64_t sequence, std::int64_t length);
  /// Makes `to` a copy of `from`.
  void copy(std::int64_t to, std::int64_t from);

  /// [length, A] of a layer.
  Mat<const float> keys(std::int64_t sequence, std::int64_t layer) const;
  Mat<const float> values(std::int64_t sequence, std::int64_t layer) const;

  /// Appends the columns k and v of qkv [n, 3A] in one layer, behind the tokens that are there.
  /// They count once advance() is called, after the last layer.
  void append(std::int64_t sequence, std::int64_t layer, Mat<const float> qkv);
  void advance(std::int64_t sequence, std::int64_t n);
  /// What attention reads, the appended tokens included.
  KeyValues view(std::int64_t sequence, std::int64_t layer) const;

 private:
  float* place(std::int64_t sequence, std::int64_t layer, std::int64_t which) const;

  KvCacheShape shape_;
  Block block_;                        // [sequences][layers][key, value][positions, A]
  std::vector<std::int64_t> lengths_;  // of each sequence
};

}  // namespace linnet
