#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/core/context.h"
#include "engine/core/mat.h"
#include "engine/core/memory.h"

namespace linnet {

/// How two vectors are compared; greater is nearer, so distances are negated (as
/// similarity_fn_name of sentence-transformers).
enum class Similarity { kCosine, kDot, kEuclidean, kManhattan };

/// "cosine", "dot", "euclidean", "manhattan"; throws kInvalidArgument for anything else.
Similarity parse_similarity(std::string_view text);

/// One answer of a search: a row of the index and its score.
struct Hit {
  std::int64_t row;
  float score;
};

/// Vectors [N, D] made ready to be compared with many queries. Immutable after construction. A copy
/// is kept: for kCosine and kDot packed as the weights of a matrix product.
class VectorIndex {
 public:
  VectorIndex(const kernels::KernelTable& kernels, Mat<const float> vectors, Similarity similarity);

  /// scores [Q, N] of queries [Q, D].
  void score(Threads& threads, Mat<float> scores, Mat<const float> queries) const;

  /// The k best rows for one query [1, D], best first, ties by the lower row; fewer when N < k.
  /// Throws kNumeric when a score is not a number.
  std::vector<Hit> search(Threads& threads, Mat<const float> query, std::int64_t k) const;

  std::int64_t rows() const { return N_; }
  std::int64_t dimensions() const { return D_; }

 private:
  kernels::KernelTable kernels_;
  Similarity similarity_;
  std::int64_t N_, D_;
  Block vectors_;  // packed for kCosine and kDot, [N, D] otherwise
};

/// The k best of scores [N], best first, ties by the lower index. Throws kNumeric on a NaN.
std::vector<Hit> top_k(Mat<const float> scores, std::int64_t k);

}  // namespace linnet
