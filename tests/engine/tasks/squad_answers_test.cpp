// Spans of several windows against a search over all of them.
#include "engine/tasks/squad_answers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>

#include "tests/support/expect_error.h"

namespace linnet {
namespace {

struct Window {
  std::vector<float> start, end;
  std::vector<std::uint8_t> in_context;
};

// Rank of logit i among all: how many are larger.
std::int64_t rank(const std::vector<float>& logits, std::size_t i) {
  return std::count_if(logits.begin(), logits.end(), [&](float x) { return x > logits[i]; });
}

std::vector<LogitSpan> all_spans(const std::vector<Window>& windows, std::int64_t n_best,
                                 std::int64_t longest) {
  std::vector<LogitSpan> spans;
  for (std::size_t w = 0; w < windows.size(); ++w) {
    const Window& x = windows[w];
    for (std::size_t i = 0; i < x.start.size(); ++i) {
      for (std::size_t j = i; j < x.start.size(); ++j) {
        if (x.in_context[i] == 0 || x.in_context[j] == 0) continue;
        if (static_cast<std::int64_t>(j - i) + 1 > longest) continue;
        if (rank(x.start, i) >= n_best || rank(x.end, j) >= n_best) continue;
        spans.push_back({static_cast<std::int64_t>(w), static_cast<std::int64_t>(i),
                         static_cast<std::int64_t>(j),
                         static_cast<double>(x.start[i]) + static_cast<double>(x.end[j])});
      }
    }
  }
  std::sort(spans.begin(), spans.end(), [](auto& a, auto& b) { return a.score > b.score; });
  if (static_cast<std::int64_t>(spans.size()) > n_best)
    spans.resize(static_cast<std::size_t>(n_best));
  return spans;
}

TEST(SquadSpans, AreThoseOfASearchOverAll) {
  std::mt19937 rng(8);
  std::uniform_real_distribution<float> u(-4, 4);
  std::size_t found = 0;
  for (int round = 0; round < 200; ++round) {
    std::vector<Window> windows(1 + rng() % 3);
    const std::int64_t n_best = 1 + static_cast<std::int64_t>(rng() % 8);
    const std::int64_t longest = 1 + static_cast<std::int64_t>(rng() % 6);
    SquadSpans spans(n_best, longest);
    double null_score = 100;
    for (Window& x : windows) {
      const std::size_t L = 4 + rng() % 20;
      for (std::size_t i = 0; i < L; ++i) {
        x.start.push_back(u(rng));
        x.end.push_back(u(rng));
        x.in_context.push_back(i >= 3 && i + 1 < L);
      }
      spans.add(x.start, x.end, x.in_context);
      null_score = std::min(null_score, static_cast<double>(x.start[0]) + x.end[0]);
    }
    const SquadAnswers got = spans.finish();
    const std::vector<LogitSpan> want = all_spans(windows, n_best, longest);
    EXPECT_DOUBLE_EQ(got.null_score, null_score);
    ASSERT_EQ(got.best.size(), want.size());
    for (std::size_t k = 0; k < want.size(); ++k) {
      EXPECT_EQ(got.best[k].window, want[k].window);
      EXPECT_EQ(got.best[k].first, want[k].first);
      EXPECT_EQ(got.best[k].last, want[k].last);
      EXPECT_DOUBLE_EQ(got.best[k].score, want[k].score);
      ++found;
    }
  }
  EXPECT_GT(found, 200U);
}

TEST(SquadSpans, RefuseLogitsThatAreNotFinite) {
  const std::vector<std::uint8_t> in_context{0, 1};
  const std::vector<float> fine{0, 0}, bad{0, std::numeric_limits<float>::infinity()};
  SquadSpans spans(20, 30);
  test::error_of(ErrorCode::kNumeric, [&] { spans.add(fine, bad, in_context); });
  test::error_of(ErrorCode::kNumeric, [&] { spans.add(bad, fine, in_context); });
}

}  // namespace
}  // namespace linnet
