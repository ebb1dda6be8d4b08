// How near two sets of embeddings are, where it can be worked out by hand.
#include "engine/tasks/embedding_agreement.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "weights/base/error.h"

namespace linnet {
namespace {

// Unit vectors of the plane at these angles in degrees, each of another length.
std::vector<float> at(const std::vector<double>& degrees) {
  std::vector<float> rows;
  for (std::size_t i = 0; i < degrees.size(); ++i) {
    const double angle = degrees[i] * std::acos(-1.0) / 180, length = 1 + static_cast<double>(i);
    rows.push_back(static_cast<float>(length * std::cos(angle)));
    rows.push_back(static_cast<float>(length * std::sin(angle)));
  }
  return rows;
}

Mat<const float> plane(const std::vector<float>& rows) {
  return {rows.data(), static_cast<std::int64_t>(rows.size() / 2), 2, 2};
}

TEST(EmbeddingAgreement, OfAModelWithItself) {
  const auto a = at({0, 10, 50, 90});
  const EmbeddingAgreement same = compare_embeddings(plane(a), plane(a));
  EXPECT_NEAR(same.mean_cosine, 1, 1e-12);
  EXPECT_NEAR(same.least_cosine, 1, 1e-12);
  EXPECT_EQ(same.neighbours_kept, 1);
  EXPECT_NEAR(same.spearman, 1, 1e-12);
}

TEST(EmbeddingAgreement, ByHand) {
  // Row 2 turns by 60 degrees: it was nearest to row 1 (35 degrees) and is to row 3 (15).
  const auto a = at({0, 10, 45, 90}), b = at({0, 10, 105, 90});
  const EmbeddingAgreement agreement = compare_embeddings(plane(a), plane(b));
  EXPECT_NEAR(agreement.mean_cosine, (3 + 0.5) / 4, 1e-6);
  EXPECT_NEAR(agreement.least_cosine, 0.5, 1e-6);
  EXPECT_NEAR(agreement.low_cosine, 0.5, 1e-6);
  EXPECT_EQ(agreement.neighbours_kept, 0.75);
}

TEST(EmbeddingAgreement, SpearmanOfRanks) {
  // Angles 10 30 20 before and 10 50 40 after: the same order. Then 10 30 20 and 40 30 10.
  EXPECT_NEAR(compare_embeddings(plane(at({0, 10, 30})), plane(at({0, 10, 50}))).spearman, 1, 1e-9);
  // Ranks of the cosines: 2 0 1 and 0 1 2: correlation -1/2.
  EXPECT_NEAR(compare_embeddings(plane(at({0, 10, 30})), plane(at({0, 40, 30}))).spearman, -0.5,
              1e-9);
}

TEST(EmbeddingAgreement, OnePercentAndNeighbours) {
  std::vector<double> before, after;
  for (int i = 0; i < 200; ++i) {
    before.push_back(i % 2 * 0.01 + i / 2);
    after.push_back(before.back() + (i == 7 ? 80 : i == 60 ? 40 : i == 90 ? 20 : 0));
  }
  const auto a = at(before), b = at(after);
  const EmbeddingAgreement agreement = compare_embeddings(plane(a), plane(b));
  EXPECT_NEAR(agreement.least_cosine, std::cos(80 * std::acos(-1.0) / 180), 1e-6);
  EXPECT_NEAR(agreement.low_cosine, std::cos(20 * std::acos(-1.0) / 180), 1e-6);  // the third
  EXPECT_LT(agreement.neighbours_kept, 1);
  EXPECT_GT(agreement.neighbours_kept, 0.9);
}

TEST(EmbeddingAgreement, RefusesWhatHasNoAnswer) {
  const auto three = at({0, 1, 2}), two = at({0, 1});
  EXPECT_THROW(compare_embeddings(plane(two), plane(two)), Error);
  EXPECT_THROW(compare_embeddings(plane(three), plane(two)), Error);
  for (const float bad : {NAN, INFINITY}) {
    auto rows = three;
    rows[3] = bad;
    EXPECT_THROW(compare_embeddings(plane(three), plane(rows)), Error);
  }
  auto zeros = three;
  zeros[0] = zeros[1] = 0;
  EXPECT_THROW(compare_embeddings(plane(zeros), plane(three)), Error);
}

}  // namespace
}  // namespace linnet
