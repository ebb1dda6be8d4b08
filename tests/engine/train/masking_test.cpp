// Which tokens masked language modelling hides, and what it puts in their places.
#include "engine/train/masking.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/ops/losses.h"

namespace linnet::train {
namespace {

constexpr std::int32_t kMask = 3, kVocabulary = 1000;

// Ids 0 to 4 are special; ids from 500 on continue the word before.
Masking masking(bool whole_words, std::uint64_t seed = 7) {
  Masking m;
  m.seed = seed;
  m.mask_token = kMask;
  m.special.resize(kVocabulary);
  for (std::size_t i = 0; i < 5; ++i) m.special[i] = 1;
  if (whole_words) {
    m.continues.resize(kVocabulary);
    for (std::size_t i = 500; i < kVocabulary; ++i) m.continues[i] = 1;
  }
  return m;
}

struct Masked {
  std::vector<std::int32_t> tokens;
  std::vector<std::int64_t> labels;
  Masked(const Masking& m, const MaskingSample& sample, std::vector<std::int32_t> from)
      : tokens(std::move(from)), labels(tokens.size()) {
    mask(m, sample, tokens, labels);
  }
};

// [CLS], words of one to three tokens, [SEP].
std::vector<std::int32_t> sequence(std::size_t n) {
  std::vector<std::int32_t> tokens{1};
  for (std::size_t t = 1; t + 1 < n; ++t) {
    const auto id = static_cast<std::int32_t>(t % 490);
    tokens.push_back(t % 3 == 1 ? 5 + id : (t % 6 == 0 ? 5 + id : 505 + id));
  }
  tokens.push_back(2);
  return tokens;
}

TEST(Masking, SharesOfTokensAndOfWhatBecomesOfThem) {
  const auto from = sequence(20'000);
  const Masked m(masking(false), {0, 0}, from);
  double chosen = 0, masked = 0, kept = 0;
  for (std::size_t t = 0; t < from.size(); ++t) {
    if (m.labels[t] == kIgnoreLabel) {
      ASSERT_EQ(m.tokens[t], from[t]);
      continue;
    }
    ASSERT_EQ(m.labels[t], from[t]);
    ASSERT_GE(from[t], 5) << "a special token was chosen";
    ++chosen;
    masked += m.tokens[t] == kMask ? 1 : 0;
    kept += m.tokens[t] == from[t] ? 1 : 0;
  }
  // Three standard deviations of the binomial distributions.
  const auto near = [](double share, double p, double n) {
    EXPECT_NEAR(share, p, 3 * std::sqrt(p * (1 - p) / n));
  };
  near(chosen / 20'000, 0.15, 20'000);
  near(masked / chosen, 0.8, chosen);
  near(kept / chosen, 0.1, chosen);
}

TEST(Masking, DiffersByEpochAndExampleAndIsRepeatable) {
  const auto from = sequence(200);
  const Masking m = masking(false);
  const Masked first(m, {1, 2}, from);
  EXPECT_EQ(Masked(m, {1, 2}, from).labels, first.labels);
  EXPECT_EQ(Masked(m, {1, 2}, from).tokens, first.tokens);
  EXPECT_NE(Masked(m, {2, 2}, from).labels, first.labels);
  EXPECT_NE(Masked(m, {1, 3}, from).labels, first.labels);
  EXPECT_NE(Masked(masking(false, 8), {1, 2}, from).labels, first.labels);
}

TEST(Masking, WholeWordsAreChosenTogether) {
  const auto from = sequence(200);
  const Masking m = masking(true);
  for (std::uint32_t example = 0; example < 50; ++example) {
    const Masked got(m, {0, example}, from);
    std::size_t chosen = 0;
    for (std::size_t t = 0; t < from.size(); ++t) {
      const bool mine = got.labels[t] != kIgnoreLabel;
      chosen += mine ? 1 : 0;
      if (mine) {
        EXPECT_GE(from[t], 5);
      }
      if (t > 1 && from[t] >= 500) {
        EXPECT_EQ(mine, got.labels[t - 1] != kIgnoreLabel) << t;
      }
    }
    EXPECT_GE(chosen, 28u);  // words of up to three tokens may leave two open
    EXPECT_LE(chosen, 30u);  // 0.15 · 200
  }
}

TEST(Masking, AShortSequenceHasOneWordAtLeast) {
  const std::vector<std::int32_t> from{1, 9, 2};
  const Masked got(masking(true), {0, 0}, from);
  EXPECT_EQ(got.labels, (std::vector<std::int64_t>{kIgnoreLabel, 9, kIgnoreLabel}));
}

}  // namespace
}  // namespace linnet::train
