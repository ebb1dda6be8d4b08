// Scores against values computed by hand from their definitions.
#include "engine/tasks/metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace linnet {
namespace {

using Ids = std::vector<std::int64_t>;
using Values = std::vector<double>;

// 3 true positives, 1 false positive, 2 false negatives, 4 true negatives.
const Ids kAnswers{1, 1, 1, 1, 0, 0, 0, 0, 0, 0};
const Ids kLabels{1, 1, 1, 0, 1, 1, 0, 0, 0, 0};

TEST(Metrics, OfTwoClasses) {
  EXPECT_DOUBLE_EQ(accuracy(kAnswers, kLabels), 0.7);
  EXPECT_DOUBLE_EQ(f1_score(kAnswers, kLabels), 6.0 / 9);
  EXPECT_DOUBLE_EQ(f1_score(kAnswers, kLabels, 0), 8.0 / 11);
  EXPECT_NEAR(matthews(kAnswers, kLabels, 2), (3.0 * 4 - 1 * 2) / std::sqrt(4.0 * 5 * 5 * 6),
              1e-15);
  EXPECT_DOUBLE_EQ(macro_f1(kAnswers, kLabels, 2), (6.0 / 9 + 8.0 / 11) / 2);
}

// Confusion (rows: label) 2 0 0 / 1 1 0 / 0 1 1.
TEST(Metrics, OfThreeClasses) {
  const Ids answers{0, 0, 0, 1, 1, 2}, labels{0, 0, 1, 1, 2, 2};
  EXPECT_DOUBLE_EQ(accuracy(answers, labels), 4.0 / 6);
  EXPECT_NEAR(macro_f1(answers, labels, 3), (4.0 / 5 + 2.0 / 4 + 2.0 / 3) / 3, 1e-15);
  // right·n - Σ answered·is = 24 - 12; n² - Σ answered² = 36 - 14; n² - Σ is² = 36 - 12.
  EXPECT_NEAR(matthews(answers, labels, 3), 12 / std::sqrt(22.0 * 24.0), 1e-15);
  EXPECT_DOUBLE_EQ(macro_f1(answers, labels, 4), macro_f1(answers, labels, 3));
}

TEST(Metrics, WithoutAnythingToScore) {
  EXPECT_TRUE(std::isnan(accuracy({}, {})));
  EXPECT_TRUE(std::isnan(macro_f1({}, {}, 2)));
  EXPECT_EQ(f1_score(Ids{0, 0}, Ids{0, 0}), 0);
  EXPECT_EQ(matthews(Ids{1, 1}, Ids{1, 0}, 2), 0);
  EXPECT_TRUE(std::isnan(pearson(Values{1, 1}, Values{1, 2})));
  EXPECT_TRUE(std::isnan(spearman(Values{}, Values{})));
}

TEST(Metrics, Correlations) {
  const Values x{1, 2, 3, 4, 5}, y{2, 1, 4, 3, 5};
  EXPECT_NEAR(pearson(x, y), 0.8, 1e-15);  // Σ(dx·dy) = 8, both Σd² = 10
  EXPECT_NEAR(spearman(x, y), 1 - 6 * 4 / 120.0, 1e-15);
  EXPECT_NEAR(pearson(x, Values{1, 4, 9, 16, 25}), 60 / std::sqrt(10.0 * 374), 1e-15);
  EXPECT_DOUBLE_EQ(spearman(x, Values{1, 4, 9, 16, 25}), 1);
  EXPECT_DOUBLE_EQ(pearson(x, Values{5, 4, 3, 2, 1}), -1);
}

// Ranks of y: 1.5 1.5 3 4; Σ(dx·dy) = 4.5, Σdx² = 5, Σdy² = 4.5.
TEST(Metrics, EqualValuesShareTheirRank) {
  EXPECT_NEAR(spearman(Values{1, 2, 3, 4}, Values{7, 7, 8, 9}), 4.5 / std::sqrt(5 * 4.5), 1e-15);
}

}  // namespace
}  // namespace linnet
