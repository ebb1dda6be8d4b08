// Score processors against the reference's, and on their own.
#include "engine/generate/processors.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <set>

#include "tests/support/expect_error.h"
#include "tests/support/golden.h"

namespace linnet {
namespace {

namespace fs = std::filesystem;
constexpr float kGone = -std::numeric_limits<float>::infinity();

GenerationParameters parse(const std::string& text, GenerationParameters p = {}) {
  const json::Document document = json::parse(text, "parameters", json::kConfigBytes);
  read_parameters(document.root(), p, UnknownKeys::kRefuse);
  return p;
}

// Everything that samples switched off.
GenerationParameters plain() {
  GenerationParameters p;
  p.top_k = 0;
  return p;
}

// The scores of a row after all processors, -infinity where a token is gone.
std::vector<float> processed(std::vector<float> row, std::span<const std::int32_t> history,
                             const GenerationParameters& p) {
  process_scores(row, p, {history, 0});
  Sampler sampler;
  std::vector<float> out(row.size(), kGone);
  for (const Candidate& c : sampler.candidates(row, p)) {
    out[static_cast<std::size_t>(c.token)] = c.score;
  }
  return out;
}

std::multiset<float> kept(const std::vector<float>& row) {
  std::multiset<float> scores;
  for (const float s : row) {
    if (s != kGone) scores.insert(s);
  }
  return scores;
}

TEST(Processors, GoldensOfEveryProcessor) {
  const fs::path folder = test::data_dir() / "goldens/logits_processors";
  LINNET_NEEDS(folder);
  const test::GoldenFile io(folder / "io.safetensors");
  std::ifstream in(folder / "case.json");
  const nlohmann::json cases = nlohmann::json::parse(in);
  const auto logits = io.values<float>("logits");
  const auto ids = io.values<std::int64_t>("input_ids");
  const std::vector<std::int32_t> history(ids.begin(), ids.end());
  constexpr std::size_t kV = 211, kRows = 6, kPast = 12;
  int rows = 0;
  for (const auto& run : cases["runs"]) {
    const std::string name = run["name"];
    const GenerationParameters p = parse(run["params"].dump(), plain());
    const auto want = io.values<float>(name + ".scores");
    for (std::size_t r = 0; r < kRows; ++r) {
      if (run.contains("kept_fp64") && run["kept_fp64"][r] != run["kept"][r]) continue;
      const auto at = [&](const std::vector<float>& all) {
        const auto begin = all.begin() + static_cast<std::ptrdiff_t>(r * kV);
        return std::vector<float>(begin, begin + kV);
      };
      const auto got = processed(at(logits), std::span(history).subspan(r * kPast, kPast), p);
      const auto expected = at(want);
      ++rows;
      // Which of several equal tokens stays depends on a sort in the reference.
      ASSERT_EQ(kept(got).size(), kept(expected).size()) << name << " row " << r;
      auto a = kept(got);
      for (const float b : kept(expected)) {
        ASSERT_NEAR(*a.begin(), b, 2e-6 * std::max(1.0f, std::abs(b))) << name << " row " << r;
        a.erase(a.begin());
      }
      if (r == 3 || r == 4) continue;  // ties
      for (std::size_t v = 0; v < kV; ++v) {
        ASSERT_EQ(got[v] == kGone, expected[v] == kGone) << name << " row " << r << " id " << v;
      }
    }
  }
  EXPECT_GE(rows, 180);
}

TEST(Processors, PenaltiesOfPresenceAndFrequencyCountWhatWasGenerated) {
  GenerationParameters p = plain();
  p.presence_penalty = 0.5;
  p.frequency_penalty = 0.25;
  const std::vector<std::int32_t> tokens{1, 2, 2, 3, 2};
  std::vector<float> scores(5, 1.0f);
  process_scores(scores, p, {tokens, 2});
  EXPECT_EQ(scores, (std::vector<float>{1, 1, 0, 0.25f, 1}));
}

TEST(Processors, EndTokensWaitForTheMinimum) {
  GenerationParameters p = plain();
  p.eos_token_id = {1, 3};
  p.min_new_tokens = 2;
  const std::vector<std::int32_t> tokens{0, 0, 0};
  std::vector<float> one(4, 1.0f), two(4, 1.0f), length(4, 1.0f);
  process_scores(one, p, {tokens, 2});
  EXPECT_EQ(one, (std::vector<float>{1, kGone, 1, kGone}));
  process_scores(two, p, {tokens, 1});
  EXPECT_EQ(two, std::vector<float>(4, 1.0f));
  p.min_new_tokens = 0;
  p.min_length = 4;
  process_scores(length, p, {tokens, 1});
  EXPECT_EQ(length, one);
}

TEST(Processors, GreatestTakesTheLowestIdAndRefusesNan) {
  EXPECT_EQ(greatest(std::vector<float>{1, 7, 7, 2}), 1);
  EXPECT_EQ(greatest(std::vector<float>{kGone, kGone, -3}), 2);
  test::error_of(ErrorCode::kNumeric, [] { greatest(std::vector<float>{1, std::nanf("")}); });
  test::error_of(ErrorCode::kNumeric, [] { greatest(std::vector<float>{std::nanf(""), 1}); });
  test::error_of(ErrorCode::kInvalidArgument, [] { greatest(std::vector<float>{kGone, kGone}); });
  // Of all lengths, with equals, and with a NaN at the end.
  std::mt19937 rng(5);
  for (std::size_t n = 1; n < 2200; n = n * 7 / 6 + 1) {
    std::vector<float> scores(n);
    for (float& x : scores) x = static_cast<float>(rng() % 999) - 2000;
    EXPECT_EQ(greatest(scores), std::max_element(scores.begin(), scores.end()) - scores.begin())
        << n;
    scores.back() = -1;
    EXPECT_EQ(greatest(scores), static_cast<std::int32_t>(n) - 1);
    scores.back() = std::nanf("");
    test::error_of(ErrorCode::kNumeric, [&] { greatest(scores); });
  }
}

TEST(Processors, ChoosesByTheCumulativeProbability) {
  Sampler sampler;
  // Probabilities 0.1, 0.6, 0.3 of ids 0, 1, 2.
  const std::vector<float> scores{std::log(0.1f), std::log(0.6f), std::log(0.3f)};
  const auto at = [&](double u) { return sampler.choose(sampler.candidates(scores, plain()), u); };
  EXPECT_EQ(at(0), 1);
  EXPECT_EQ(at(0.5999), 1);
  EXPECT_EQ(at(0.6001), 2);
  EXPECT_EQ(at(0.8999), 2);
  EXPECT_EQ(at(0.9001), 0);
  EXPECT_EQ(at(0.99999999), 0);
}

TEST(Processors, NumbersOfSamplingAreFixedForEver) {
  // Philox4x32-10 with key 0 and counter (0, 0, 0, 3 << 24), 53 bits of the first two words.
  EXPECT_EQ(sampling_uniform(0, 0, 0), sampling_uniform(0, 0, 0));
  std::set<double> seen;
  double sum = 0;
  for (std::int64_t seed : {0, 1, 1 << 20}) {
    for (std::int64_t sequence = 0; sequence < 10; ++sequence) {
      for (std::int64_t step = 0; step < 100; ++step) {
        const double u = sampling_uniform(static_cast<std::uint64_t>(seed), sequence, step);
        EXPECT_TRUE(u >= 0 && u < 1);
        seen.insert(u);
        sum += u;
      }
    }
  }
  EXPECT_EQ(seen.size(), 3000u);
  EXPECT_NEAR(sum / 3000, 0.5, 4 / std::sqrt(12.0 * 3000));
}

TEST(Parameters, RefusesWhatMakesNoSense) {
  for (const char* bad :
       {R"({"temperature": 0})", R"({"temperature": -1})", R"({"temperature": 1e-40})",
        R"({"top_p": 0})", R"({"top_p": 1.5})", R"({"min_p": -0.1})", R"({"typical_p": 0})",
        R"({"repetition_penalty": 0})", R"({"num_beams": 0})",
        R"({"num_beams": 2, "do_sample": true})", R"({"max_new_tokens": 0})",
        R"({"num_return_sequences": 3})", R"({"num_beams": 2, "num_return_sequences": 3})",
        R"({"bad_words_ids": [[]]})", R"({"num_beams": 2, "logprobs": 1})",
        R"({"temperature": {"__float__": "NaN"}})",
        R"({"length_penalty": {"__float__": "Infinity"}})"}) {
    test::error_of(ErrorCode::kInvalidArgument, [&] { check(parse(bad)); });
  }
  for (const char* bad : {R"({"temprature": 1})", R"({"top_k": 1.5})", R"({"top_k": -1})",
                          R"({"do_sample": 1})", R"({"early_stopping": "always"})",
                          R"({"eos_token_id": "x"})", R"({"bad_words_ids": [3]})"}) {
    test::error_of(ErrorCode::kFormat, [&] { parse(bad); });
  }
  for (const char* bad : {R"({"num_beam_groups": 2})", R"({"penalty_alpha": 0.6})",
                          R"({"suppress_tokens": [1]})", R"({"forced_eos_token_id": 1})"}) {
    test::error_of(ErrorCode::kUnsupported, [&] { parse(bad); });
  }
  check(parse(R"({"num_beam_groups": 1, "suppress_tokens": null, "use_cache": true,
                  "eos_token_id": [1, 2], "do_sample": true, "num_return_sequences": 4,
                  "early_stopping": "never", "max_length": 20, "pad_token_id": 0})"));
}

}  // namespace
}  // namespace linnet
