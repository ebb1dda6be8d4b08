#pragma once

#include <cstdint>
#include <vector>

#include "engine/core/mat.h"
#include "engine/core/memory.h"
#include "engine/ops/causal_attention.h"

namespace linnet {

/// Sizes of a key/value cache: `sequences` of up to `positions` tokens, in `layers` layers of `A`
/// columns for keys and as many for values, those of `heads` heads.
struct KvCacheShape {
  std::int64_t sequences = 0, positions = 0, layers = 0, A = 0, heads = 1;

  /// Throws kLimit if they are more than any memory.
  std::int64_t bytes() const;
};

/// Keys and values of several sequences in FP32, one block that is allocated once, in the layout
/// that attention reads: head after head, keys in panels of 16, values row by row. A place holds
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

  /// Copies those of a layer to rows [length, A].
  void copy_keys(std::int64_t sequence, std::int64_t layer, Mat<float> to) const;
  void copy_values(std::int64_t sequence, std::int64_t layer, Mat<float> to) const;

  /// Appends the columns k and v of qkv [n, 3A] in one layer, behind the tokens that are there.
  /// They count once advance() is called, after the last layer.
  void append(std::int64_t sequence, std::int64_t layer, Mat<const float> qkv);
  void advance(std::int64_t sequence, std::int64_t n);
  /// What attention reads, the appended tokens included.
  KeyValues view(std::int64_t sequence, std::int64_t layer) const;

 private:
  enum Which : std::int64_t { kKey, kValue };
  float* place(std::int64_t sequence, std::int64_t layer, Which which, std::int64_t head) const;
  std::int64_t head_width() const { return shape_.A / shape_.heads; }

  KvCacheShape shape_;
  // [sequences][layers][key, value][heads][floats of a head]; of a key [positions/16][width][16],
  // of a value [positions][width].
  Block block_;
  std::vector<std::int64_t> lengths_;  // of each sequence
};

}  // namespace linnet
