// Dimension key: N vectors of the index, Q queries, D dimensions.
#include "engine/tasks/vector_index.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "engine/core/float_environment.h"
#include "engine/ops/linear.h"
#include "weights/base/error.h"

namespace linnet {
namespace {

constexpr float kNormEps = 1e-12f;  // torch.nn.functional.normalize

bool is_product(Similarity s) { return s == Similarity::kCosine || s == Similarity::kDot; }

// Distances are chains in double over the columns.
float distance(Similarity s, const float* a, const float* b, std::int64_t D) {
  double sum = 0;
  for (std::int64_t d = 0; d < D; ++d) {
    const double diff = static_cast<double>(a[d]) - static_cast<double>(b[d]);
    sum += s == Similarity::kEuclidean ? diff * diff : std::abs(diff);
  }
  return static_cast<float>(s == Similarity::kEuclidean ? std::sqrt(sum) : sum);
}

// A copy [rows, D] without gaps between the rows; normalised to length 1 for kCosine.
Block copy_rows(const kernels::KernelTable& kernels, Mat<const float> m, Similarity s) {
  Block block(std::max<std::int64_t>(m.rows * m.cols, 1) *
              static_cast<std::int64_t>(sizeof(float)));
  auto* copy = reinterpret_cast<float*>(block.data());
  for (std::int64_t r = 0; r < m.rows; ++r) std::copy_n(m.row(r), m.cols, copy + r * m.cols);
  if (s == Similarity::kCosine) kernels.normalize_l2_f32(copy, copy, m.rows, m.cols, kNormEps);
  return block;
}

}  // namespace

Similarity parse_similarity(std::string_view text) {
  if (text == "cosine") return Similarity::kCosine;
  if (text == "dot") return Similarity::kDot;
  if (text == "euclidean") return Similarity::kEuclidean;
  if (text == "manhattan") return Similarity::kManhattan;
  throw Error(ErrorCode::kInvalidArgument, "similarity: found \"" + std::string(text) +
                                               "\", expected cosine, dot, euclidean or manhattan");
}

VectorIndex::VectorIndex(const kernels::KernelTable& kernels, Mat<const float> vectors,
                         Similarity similarity)
    : kernels_(kernels), similarity_(similarity), N_(vectors.rows), D_(vectors.cols) {
  const FloatEnvironment environment;
  Block rows = copy_rows(kernels_, vectors, similarity_);
  if (!is_product(similarity_)) {
    vectors_ = std::move(rows);
    return;
  }
  vectors_ =
      Block(kernels_.gemm_f32.packed_floats(N_, D_) * static_cast<std::int64_t>(sizeof(float)));
  kernels_.gemm_f32.pack(reinterpret_cast<float*>(vectors_.data()),
                         reinterpret_cast<const float*>(rows.data()), D_, 1, N_, D_, 0, N_);
}

void VectorIndex::score(Threads& threads, Mat<float> scores, Mat<const float> queries) const {
  LINNET_ASSERT(queries.cols == D_ && scores.rows == queries.rows && scores.cols == N_);
  const FloatEnvironment environment;
  const auto* vectors = reinterpret_cast<const float*>(vectors_.data());
  const Block copy = copy_rows(kernels_, queries, similarity_);
  const auto* rows = reinterpret_cast<const float*>(copy.data());
  if (is_product(similarity_)) {
    linear({kernels_, threads}, scores, {rows, queries.rows, D_, D_},
           {vectors_.data(), nullptr, N_, D_});
    return;
  }
  parallel_for(threads, N_, 16384 / (D_ + 1) + 1, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t q = 0; q < queries.rows; ++q) {
      for (std::int64_t n = begin; n < end; ++n) {
        scores.row(q)[n] = -distance(similarity_, rows + q * D_, vectors + n * D_, D_);
      }
    }
  });
}

std::vector<Hit> VectorIndex::search(Threads& threads, Mat<const float> query,
                                     std::int64_t k) const {
  std::vector<float> scores(static_cast<std::size_t>(N_));
  const Mat<float> row{scores.data(), 1, N_, N_};
  score(threads, row, query);
  return top_k(row, k);
}

std::vector<Hit> top_k(Mat<const float> scores, std::int64_t k) {
  std::vector<Hit> hits;
  hits.reserve(static_cast<std::size_t>(scores.cols));
  for (std::int64_t n = 0; n < scores.cols; ++n) {
    const float score = scores.row(0)[n];
    if (std::isnan(score)) {
      throw Error(ErrorCode::kNumeric,
                  "search: the score of row " + std::to_string(n) + " is not a number");
    }
    hits.push_back({n, score});
  }
  const auto nearer = [](const Hit& a, const Hit& b) {
    return a.score > b.score || (a.score == b.score && a.row < b.row);
  };
  const auto kept = std::clamp<std::int64_t>(k, 0, scores.cols);
  std::partial_sort(hits.begin(), hits.begin() + kept, hits.end(), nearer);
  hits.resize(static_cast<std::size_t>(kept));
  return hits;
}

}  // namespace linnet
