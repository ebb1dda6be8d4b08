#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/core/mat.h"
#include "engine/core/memory.h"
#include "engine/ops/causal_attention.h"

namespace linnet {

/// What a cache keeps. kInt8: every key and value of a head in INT8 with a scale of its own, as
/// kernels::QuantizeRowsS8Fn makes them; attention reads q · scale. A quarter of the memory, and
/// other bits than those of kFloat32; also the same for any split of a text and at every level.
enum class CacheType { kFloat32, kInt8 };

/// Sizes of a key/value cache: `sequences` of up to `positions` tokens, in `layers` layers of `A`
/// columns for keys and as many for values, those of `heads` heads.
struct KvCacheShape {
  std::int64_t sequences = 0, positions = 0, layers = 0, A = 0, heads = 1;
  CacheType type = CacheType::kFloat32;

  /// Throws kLimit if they are more than any memory.
  std::int64_t bytes() const;
};

/// Keys and values of several sequences, one block that is allocated once, in the layout that
/// attention reads: head after head, keys in panels of 16, values row by row. A place holds
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

  /// Appends the columns k and v of qkv [n, 3A] in one layer, behind the tokens that are there: of
  /// the heads [first, last), which several threads may share. They count once advance() is called,
  /// after the last layer.
  void append(std::int64_t sequence, std::int64_t layer, Mat<const float> qkv, std::int64_t first,
              std::int64_t last);
  void advance(std::int64_t sequence, std::int64_t n);
  /// What attention reads, the appended tokens included.
  KeyValues view(std::int64_t sequence, std::int64_t layer) const;

 private:
  enum Which : std::int64_t { kKey, kValue };
  // One head's keys or values of one sequence in one layer.
  struct Head {
    std::byte* data;  // float or INT8: of a key [positions/16][width][16], else [positions][width]
    float* scale;     // [positions] of INT8, behind them
  };
  Head head(std::int64_t sequence, std::int64_t layer, Which which, std::int64_t head) const;
  void put(const Head& to, Which which, std::int64_t position, const float* row);
  void copy_rows(std::int64_t sequence, std::int64_t layer, Which which, Mat<float> to) const;
  std::int64_t head_width() const { return shape_.A / shape_.heads; }

  KvCacheShape shape_;
  // [sequences][layers][key, value][heads][bytes of a head]
  Block block_;
  std::vector<std::int64_t> lengths_;  // of each sequence
};

}  // namespace linnet
