// Windows over a text: those of the reference, and what each of them scores.
#include "engine/generate/likelihood.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/support/expect_error.h"
#include "tests/support/golden.h"

namespace linnet {
namespace {

// As the golden says it: [begin, end, first scored, end scored).
std::vector<std::int64_t> numbers(const LikelihoodWindow& w) {
  return {w.begin, w.end, w.first, w.end + w.next};
}

std::int64_t scored(const std::vector<LikelihoodWindow>& windows) {
  std::int64_t n = 0;
  for (const LikelihoodWindow& w : windows) n += w.end + w.next - w.first;
  return n;
}

TEST(StridedWindows, ThoseOfTheReference) {
  const auto file = test::data_dir() / "goldens/gpt2_yelp_perplexity/case.json";
  LINNET_NEEDS(file);
  std::ifstream in(file);
  const nlohmann::json golden = nlohmann::json::parse(in);
  for (const auto& run : golden["runs"]) {
    const auto up_to = run["scores_one_after_the_window"] ? ScoredUpTo::kNext : ScoredUpTo::kLast;
    const std::int64_t n = golden["texts"][run["text"] == "test" ? 0 : 1]["tokens"];
    const auto windows = strided_windows(n, run["max_length"], run["stride"], up_to);
    ASSERT_EQ(windows.size(), run["windows"].get<std::size_t>()) << run["name"];
    for (std::size_t w = 0; w < run["first_windows"].size(); ++w) {
      EXPECT_EQ(nlohmann::json(numbers(windows[w])), run["first_windows"][w]) << run["name"];
    }
    EXPECT_EQ(nlohmann::json(numbers(windows.back())), run["last_window"]) << run["name"];
    EXPECT_EQ(scored(windows), run["tokens_scored"].get<std::int64_t>()) << run["name"];
  }
}

TEST(StridedWindows, NextScoresEveryTokenButTheFirstOnce) {
  for (std::int64_t n = 0; n < 40; ++n) {
    for (const std::int64_t length : {2, 3, 7}) {
      for (std::int64_t stride = 1; stride <= length; ++stride) {
        std::int64_t next = 1;
        for (const LikelihoodWindow& w : strided_windows(n, length, stride, ScoredUpTo::kNext)) {
          EXPECT_EQ(w.first, next);
          EXPECT_LT(w.begin, w.first);
          EXPECT_LE(w.first, w.end);
          EXPECT_LE(w.end - w.begin, length);
          next = w.end + w.next;
        }
        EXPECT_EQ(next, std::max<std::int64_t>(n, 1)) << n << " " << length << " " << stride;
      }
    }
  }
}

TEST(StridedWindows, RefusesWindowsThatMakeNoSense) {
  test::error_of(ErrorCode::kInvalidArgument, [] { strided_windows(9, 1, 1); });
  test::error_of(ErrorCode::kInvalidArgument, [] { strided_windows(9, 4, 0); });
  test::error_of(ErrorCode::kInvalidArgument, [] { strided_windows(9, 4, 5); });
}

TEST(Likelihood, ThroughACache) {
  const auto directory = test::data_dir() / "checkpoints/gpt2-yelp";
  LINNET_NEEDS(directory);
  const Gpt2Model model = load_gpt2(weights::Checkpoint(directory), {});
  Gpt2Session session(model);
  std::vector<std::int32_t> tokens;
  for (std::int32_t i = 0; i < 400; ++i) tokens.push_back(i * i % 1000);
  const auto windows = strided_windows(400, 64, 32);
  const auto logprobs = [&](KvCache* cache) {
    std::vector<double> all;
    Likelihood(session, cache).score(tokens, windows, [&](auto w, auto t, double logprob) {
      EXPECT_TRUE(windows[static_cast<std::size_t>(w)].first <= t &&
                  t < windows[static_cast<std::size_t>(w)].end);
      all.push_back(logprob);
    });
    return all;
  };
  const std::vector<double> want = logprobs(nullptr);
  KvCacheShape shape{5, 64, model.config.n_layer, model.config.n_embd, model.config.n_head};
  KvCache floats(shape, shape.bytes());
  EXPECT_EQ(logprobs(&floats), want);
  shape.type = CacheType::kInt8;
  KvCache int8(shape, shape.bytes());
  const std::vector<double> got = logprobs(&int8);
  EXPECT_NE(got, want);
  double worst = 0;
  for (std::size_t i = 0; i < want.size(); ++i) worst = std::max(worst, std::abs(got[i] - want[i]));
  EXPECT_LT(worst, 0.3);
}

}  // namespace
}  // namespace linnet
