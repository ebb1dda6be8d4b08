#include "engine/tasks/answer_spans.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "weights/base/error.h"

namespace linnet {
namespace {

TEST(AnswerSpans, MatchesTheFullTable) {
  std::mt19937 rng(3);
  std::uniform_real_distribution<float> u(-4, 4);
  for (int round = 0; round < 20; ++round) {
    std::vector<float> start(12), end(12);
    std::vector<std::uint8_t> allowed(12);
    for (std::size_t i = 0; i < 12; ++i) {
      start[i] = u(rng);
      end[i] = u(rng);
      allowed[i] = i >= 3 && i < 11;
    }
    const auto p = [&](const std::vector<float>& logits, std::size_t i) {
      double sum = std::exp(static_cast<double>(logits[0]));
      for (std::size_t j = 3; j < 11; ++j) sum += std::exp(static_cast<double>(logits[j]));
      return std::exp(static_cast<double>(logits[i])) / sum;
    };
    std::vector<Span> all;
    for (std::size_t i = 3; i < 11; ++i) {
      for (std::size_t j = i; j < std::min<std::size_t>(11, i + 4); ++j) {
        all.push_back(
            {static_cast<std::int64_t>(i), static_cast<std::int64_t>(j), p(start, i) * p(end, j)});
      }
    }
    std::sort(all.begin(), all.end(), [](auto& a, auto& b) { return a.score > b.score; });
    const WindowSpans got = best_spans({start, end, allowed}, 5, 4);
    ASSERT_EQ(got.best.size(), 5u);
    EXPECT_NEAR(got.null_score, p(start, 0) * p(end, 0), 1e-12);
    for (std::size_t k = 0; k < 5; ++k) {
      EXPECT_EQ(got.best[k].first, all[k].first);
      EXPECT_EQ(got.best[k].last, all[k].last);
      EXPECT_NEAR(got.best[k].score, all[k].score, 1e-12);
    }
  }
}

TEST(AnswerSpans, TiesGoToTheEarlierSpanAndFewerThanAskedIsFine) {
  const std::vector<float> flat(4, 0.0f);
  const std::vector<std::uint8_t> allowed{0, 0, 1, 1};
  const WindowSpans got = best_spans({flat, flat, allowed}, 10, 2);
  ASSERT_EQ(got.best.size(), 3u);
  EXPECT_EQ(got.best[0].first, 2);
  EXPECT_EQ(got.best[0].last, 2);
  EXPECT_EQ(got.best[1].last, 3);
  EXPECT_EQ(got.best[2].first, 3);
}

TEST(AnswerSpans, RefusesLogitsThatAreNotFinite) {
  const std::vector<float> fine(3, 0.0f);
  std::vector<float> bad(3, 0.0f);
  bad[2] = std::numeric_limits<float>::quiet_NaN();
  const std::vector<std::uint8_t> allowed{0, 1, 1};
  EXPECT_THROW(best_spans({fine, bad, allowed}, 1, 3), Error);
}

}  // namespace
}  // namespace linnet
