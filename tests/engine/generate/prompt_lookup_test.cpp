// Guesses, and that what is generated does not depend on them.
#include "engine/generate/prompt_lookup.h"

#include <gtest/gtest.h>

#include "engine/generate/generator.h"
#include "tests/support/random_gpt2.h"

namespace linnet {
namespace {

using Ids = std::vector<std::int32_t>;

Ids guess(const Ids& tokens, std::int64_t ngram, std::int64_t count) {
  Ids out{7, 7};  // what was there does not matter
  guess_tokens(out, tokens, ngram, count);
  return out;
}

TEST(GuessTokens, WhatFollowedTheLastTokens) {
  EXPECT_EQ(guess({1, 2, 3, 4, 9, 1, 2}, 2, 3), (Ids{3, 4, 9}));
  EXPECT_EQ(guess({1, 2, 3, 5, 2, 4, 1, 2}, 2, 1), (Ids{3}));  // the longer match
  EXPECT_EQ(guess({1, 2, 3, 5, 2, 4, 1, 2}, 1, 1), (Ids{4}));  // the later one
  EXPECT_EQ(guess({1, 2, 3, 1, 2, 4, 1, 2}, 2, 1), (Ids{4}));  // of two equal ones
  EXPECT_EQ(guess({8, 1, 2, 3, 9, 6, 2, 4, 8, 1, 2}, 9, 2), (Ids{3, 9}));
}

TEST(GuessTokens, LoopsGoOn) {
  EXPECT_EQ(guess({4, 4}, 2, 3), (Ids{4, 4, 4}));
  EXPECT_EQ(guess({1, 2, 3, 1, 2, 3, 1}, 2, 7), (Ids{2, 3, 1, 2, 3, 1, 2}));
}

TEST(GuessTokens, NoneWithoutAMatchOrRoom) {
  EXPECT_EQ(guess({1, 2, 3}, 2, 4), Ids{});
  EXPECT_EQ(guess({1}, 2, 4), Ids{});
  EXPECT_EQ(guess({}, 2, 4), Ids{});
  EXPECT_EQ(guess({1, 1}, 2, 0), Ids{});
  EXPECT_EQ(guess({1, 1}, 2, -3), Ids{});
}

Gpt2Model load(const test::TempDir& dir, kernels::Isa isa) {
  LoadOptions options;
  options.isa = isa;
  return load_gpt2(weights::Checkpoint(dir.path()), options);
}

// What a caller sees of sequences: tokens, why they ended, and log-probabilities to the last bit.
struct Seen {
  std::vector<Ids> tokens, called;
  std::vector<FinishReason> reasons;
  std::vector<double> logprobs;

  bool operator==(const Seen&) const = default;
};

class Speculation : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    dir_ = new test::TempDir;
    test::write_random_gpt2(*dir_, R"({"model_type": "gpt2", "n_embd": 48, "n_layer": 2,
        "n_head": 3, "n_positions": 96, "vocab_size": 13,
        "architectures": ["GPT2LMHeadModel"]})");
  }
  static void TearDownTestSuite() { delete dir_; }

  // Of all prompts; counts guesses.
  Seen generate(Gpt2Session& session, std::int64_t places, const GenerationParameters& p) {
    Generator generator(session, {.sequences = places});
    Seen seen;
    seen.called.resize(prompts_.size() * static_cast<std::size_t>(p.num_return_sequences));
    const auto note = [&](std::int64_t sequence, std::int32_t token) {
      Ids& mine = seen.called[static_cast<std::size_t>(sequence)];
      mine.push_back(token);
      return sequence == 1 && mine.size() == 17;
    };
    guessed_ = accepted_ = 0;
    for (const GeneratedSequence& s : generator.generate(prompts_, p, note)) {
      seen.tokens.push_back(s.tokens);
      seen.reasons.push_back(s.reason);
      for (const auto& token : s.logprobs) {
        for (const TokenLogprob& one : token) seen.logprobs.push_back(one.logprob);
      }
      guessed_ += s.guessed;
      accepted_ += s.accepted;
      EXPECT_LE(s.accepted, static_cast<std::int64_t>(s.tokens.size()));
    }
    return seen;
  }

  static test::TempDir* dir_;
  const std::vector<Ids> prompts_{{5, 9, 2, 5, 9, 2, 5, 9}, {7}, {1, 2, 3, 4, 1, 2}, {4, 4, 4}};
  std::int64_t guessed_ = 0, accepted_ = 0;
};
test::TempDir* Speculation::dir_ = nullptr;

// Greedy, with penalties that look back, and sampled; each to the last position.
std::vector<GenerationParameters> ways() {
  std::vector<GenerationParameters> all(4);
  for (GenerationParameters& p : all) p.max_new_tokens = 88;
  all[0].logprobs = 2;
  all[1].repetition_penalty = 1.3;
  all[1].no_repeat_ngram_size = 4;
  all[1].frequency_penalty = 0.1;
  all[2].do_sample = true;
  all[2].temperature = 0.7;
  all[2].seed = 3;
  all[2].num_return_sequences = 2;
  all[3].eos_token_id = {3, 8};
  all[3].do_sample = true;
  all[3].top_k = 3;
  return all;
}

TEST_F(Speculation, ChangesNothingAtAnyLevelWithAnyThreads) {
  std::vector<Seen> want;
  {
    const Gpt2Model model = load(*dir_, kernels::supported_isas().back());
    Gpt2Session session(model);
    for (const GenerationParameters& p : ways()) want.push_back(generate(session, 16, p));
    EXPECT_EQ(guessed_, 0);
  }
  for (const kernels::Isa isa : kernels::supported_isas()) {
    const Gpt2Model model = load(*dir_, isa);
    for (const int threads : {1, 3}) {
      Gpt2Session session(model, {.threads = threads});
      for (std::size_t way = 0; way < want.size(); ++way) {
        GenerationParameters p = ways()[way];
        for (const std::int64_t count : {5, 40}) {
          p.prompt_lookup_num_tokens = count;
          EXPECT_EQ(generate(session, threads == 1 ? 16 : 3, p), want[way])
              << kernels::name(isa) << " threads " << threads << " guesses " << count;
          EXPECT_GT(accepted_, 0);
          EXPECT_LT(accepted_, guessed_);
        }
      }
    }
  }
}

TEST_F(Speculation, GreedyLoopsAreGuessedWhole) {
  // A loop of the greedy model is one guess after the other: few passes, nearly all accepted.
  const Gpt2Model model = load(*dir_, kernels::supported_isas().back());
  Gpt2Session session(model);
  GenerationParameters p;
  p.max_new_tokens = 80;
  p.prompt_lookup_num_tokens = 8;
  p.max_matching_ngram_size = 6;
  int passes = 0;
  const auto count = [&] {
    ++passes;
    return false;
  };
  session.cancel_when(count);
  Generator generator(session, {.sequences = 1});
  const auto got = generator.generate(std::vector<Ids>{{7}}, p);
  EXPECT_EQ(passes + got[0].accepted, 80);  // a pass gives a token beside the accepted ones
  EXPECT_GT(got[0].accepted, 0);
}

}  // namespace
}  // namespace linnet
