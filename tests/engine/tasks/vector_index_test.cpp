#include "engine/tasks/vector_index.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "weights/base/error.h"

namespace linnet {
namespace {

class VectorIndexTest : public testing::Test {
 protected:
  std::vector<float> docs{3, 4, /**/ -1, 0, /**/ 0, 2, /**/ 6, 8};
  std::vector<float> query{1, 1};
  Threads threads{2};

  std::vector<float> scores(Similarity s) {
    const auto k = kernels::make_table(kernels::supported_isas().back());
    const VectorIndex index(k, {docs.data(), 4, 2, 2}, s);
    std::vector<float> out(4);
    index.score(threads, {out.data(), 1, 4, 4}, {query.data(), 1, 2, 2});
    return out;
  }
};

TEST_F(VectorIndexTest, EveryMeasure) {
  EXPECT_EQ(scores(Similarity::kDot), (std::vector<float>{7, -1, 2, 14}));
  EXPECT_EQ(scores(Similarity::kManhattan), (std::vector<float>{-5, -3, -2, -12}));
  const auto euclidean = scores(Similarity::kEuclidean);
  EXPECT_FLOAT_EQ(euclidean[0], -std::sqrt(13.0f));
  EXPECT_FLOAT_EQ(euclidean[3], -std::sqrt(74.0f));
  const auto cosine = scores(Similarity::kCosine);
  EXPECT_NEAR(cosine[0], 7 / (5 * std::sqrt(2.0)), 1e-6);
  EXPECT_NEAR(cosine[1], -std::sqrt(0.5), 1e-6);
  EXPECT_NEAR(cosine[3], cosine[0], 1e-6);
}

TEST_F(VectorIndexTest, BestFirstAndTiesByRow) {
  docs = {1, 0, /**/ 0, 5, /**/ 1, 0, /**/ 2, 2};
  const auto k = kernels::make_table(kernels::Isa::kReference);
  const VectorIndex index(k, {docs.data(), 4, 2, 2}, Similarity::kDot);
  query = {1, 0};
  const auto hits = index.search(threads, {query.data(), 1, 2, 2}, 3);
  ASSERT_EQ(hits.size(), 3u);
  EXPECT_EQ(hits[0].row, 3);
  EXPECT_EQ(hits[1].row, 0);
  EXPECT_EQ(hits[2].row, 2);
  EXPECT_EQ(index.search(threads, {query.data(), 1, 2, 2}, 99).size(), 4u);
  EXPECT_TRUE(index.search(threads, {query.data(), 1, 2, 2}, 0).empty());
}

TEST_F(VectorIndexTest, ANumberThatIsNoneIsAnError) {
  std::vector<float> s{1, std::numeric_limits<float>::quiet_NaN()};
  EXPECT_THROW(top_k({s.data(), 1, 2, 2}, 1), Error);
}

TEST_F(VectorIndexTest, NamesOfMeasures) {
  EXPECT_EQ(parse_similarity("cosine"), Similarity::kCosine);
  EXPECT_EQ(parse_similarity("manhattan"), Similarity::kManhattan);
  EXPECT_THROW(parse_similarity("Cosine"), Error);
}

}  // namespace
}  // namespace linnet
