// Sequences that get longer than the model has positions.
#include <gtest/gtest.h>

#include <fstream>
#include <numeric>
#include <string>

#include "engine/generate/generator.h"
#include "tests/support/count_allocations.h"
#include "tests/support/random_gpt2.h"

namespace linnet {
namespace {

using Ids = std::vector<std::int32_t>;

constexpr std::int64_t kV = 31, kPositions = 24;

Gpt2Model load(const test::TempDir& dir, kernels::Isa isa) {
  LoadOptions options;
  options.isa = isa;
  return load_gpt2(weights::Checkpoint(dir.path()), options);
}

class Overflow : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    dir_ = new test::TempDir;
    test::write_random_gpt2(*dir_, R"({"model_type": "gpt2", "n_embd": 24, "n_layer": 2,
        "n_head": 3, "n_positions": 24, "vocab_size": 31,
        "architectures": ["GPT2LMHeadModel"]})");
  }
  static void TearDownTestSuite() { delete dir_; }

  static GenerationParameters sliding(std::int64_t most) {
    GenerationParameters p;
    p.max_new_tokens = most;
    p.context_overflow = ContextOverflow::kSlide;
    return p;
  }

  static test::TempDir* dir_;
  // Shorter than the context, as long, longer, and much longer.
  const std::vector<Ids> prompts_{{5, 9, 2}, Ids(24, 7), Ids(25, 8), Ids(100, 3)};
};
test::TempDir* Overflow::dir_ = nullptr;

// The likeliest token after a text, without a cache: the model reads the text alone.
std::int32_t recomputed(Gpt2Session& session, std::span<const std::int32_t> text) {
  std::vector<std::int32_t> positions(text.size());
  std::iota(positions.begin(), positions.end(), 0);
  const auto n = static_cast<std::int64_t>(text.size());
  const std::vector<std::int64_t> starts{0, n}, last{n - 1};
  std::vector<float> logits(kV);
  Gpt2Outputs out;
  out.vocabulary_logits = {logits.data(), 1, kV, kV};
  out.vocabulary_rows = last;
  session.run({text, positions, {}, starts}, {}, out);
  return greatest(logits);
}

std::vector<Ids> tokens(std::vector<GeneratedSequence> sequences) {
  std::vector<Ids> all;
  for (GeneratedSequence& s : sequences) all.push_back(std::move(s.tokens));
  return all;
}

TEST(WindowBegin, HalfAContextAtATime) {
  EXPECT_EQ(window_begin(1, 24), 0);
  EXPECT_EQ(window_begin(24, 24), 0);
  EXPECT_EQ(window_begin(25, 24), 12);
  EXPECT_EQ(window_begin(36, 24), 12);
  EXPECT_EQ(window_begin(37, 24), 24);
  EXPECT_EQ(window_begin(7, 1), 6);
  for (const std::int64_t positions : {1, 2, 3, 24, 25}) {
    for (std::int64_t n = 1; n < 200; ++n) {
      const std::int64_t read = n - window_begin(n, positions);
      EXPECT_LE(read, positions) << n;
      EXPECT_GE(read, std::min(n, (positions + 1) / 2)) << n << " of " << positions;
    }
  }
}

TEST_F(Overflow, EveryTokenIsThatOfItsWindowAlone) {
  const Gpt2Model model = load(*dir_, kernels::supported_isas().back());
  Gpt2Session session(model);
  const auto got = Generator(session).generate(prompts_, sliding(90));
  for (std::size_t i = 0; i < prompts_.size(); ++i) {
    Ids text = prompts_[i];
    ASSERT_EQ(got[i].tokens.size(), 90u);
    for (const std::int32_t token : got[i].tokens) {
      const auto n = static_cast<std::int64_t>(text.size());
      const auto begin = static_cast<std::size_t>(window_begin(n, kPositions));
      EXPECT_EQ(token, recomputed(session, std::span(text).subspan(begin)))
          << "prompt " << i << " after " << n;
      text.push_back(token);
    }
  }
}

TEST_F(Overflow, CompanyThreadsLevelsAndGuessesChangeNothing) {
  GenerationParameters p = sliding(70);
  p.do_sample = true;
  p.temperature = 0.5;
  std::vector<Ids> want;
  for (const kernels::Isa isa : kernels::supported_isas()) {
    const Gpt2Model model = load(*dir_, isa);
    for (const int threads : {1, 3}) {
      Gpt2Session session(model, {.threads = threads});
      for (const std::int64_t guesses : {0, 4, 30}) {
        p.prompt_lookup_num_tokens = guesses;
        for (const std::int64_t places : {1, 3}) {
          Generator generator(session, {.sequences = places});
          const auto got = tokens(generator.generate(prompts_, p));
          if (want.empty()) want = got;
          EXPECT_EQ(got, want) << kernels::name(isa) << " threads " << threads << " guesses "
                               << guesses << " places " << places;
        }
      }
    }
  }
}

TEST_F(Overflow, FitsTheSameAsWithoutIt) {
  const Gpt2Model model = load(*dir_, kernels::supported_isas().back());
  Gpt2Session session(model);
  Generator generator(session);
  GenerationParameters p = sliding(20);
  const std::span<const Ids> one = std::span(prompts_).first(1);
  const auto slid = tokens(generator.generate(one, p));
  p.context_overflow = ContextOverflow::kError;
  EXPECT_EQ(tokens(generator.generate(one, p)), slid);
}

// Memory of a call does not depend on how many tokens it makes: none of its steps allocates.
TEST_F(Overflow, StepsAllocateNothing) {
  if (!test::kCountsAllocations) GTEST_SKIP() << "a sanitizer counts its own allocations";
  const Gpt2Model model = load(*dir_, kernels::supported_isas().back());
  Gpt2Session session(model, {.threads = 2});
  Generator generator(session);
  for (const std::int64_t guesses : {0, 6}) {
    GenerationParameters p = sliding(500);
    p.prompt_lookup_num_tokens = guesses;
    p.do_sample = guesses == 0;
    generator.generate(prompts_, p);  // memory that is kept
    std::vector<int> counts;
    for (const std::int64_t most : {20, 500, 4000}) {
      p.max_new_tokens = most;
      counts.push_back(test::count_allocations([&] { generator.generate(prompts_, p); }));
    }
    EXPECT_EQ(counts[1], counts[0]) << "guesses " << guesses;
    EXPECT_EQ(counts[2], counts[0]) << "guesses " << guesses;
  }
}

// Resident memory of this process that belongs to no file, in bytes, counted page by page; 0: not
// known here.
std::int64_t anonymous_bytes() {
  std::ifstream pages("/proc/self/smaps_rollup");
  for (std::string line; std::getline(pages, line);) {
    if (line.starts_with("Anonymous:")) return std::stoll(line.substr(10)) * 1024;
  }
  return 0;
}

TEST_F(Overflow, TenThousandTokensLeaveMemoryAsItWas) {
  if (!test::kCountsAllocations) GTEST_SKIP() << "a sanitizer keeps what was freed";
  if (anonymous_bytes() == 0) GTEST_SKIP() << "not here: Anonymous in /proc/self/smaps_rollup";
  const Gpt2Model model = load(*dir_, kernels::supported_isas().back());
  Gpt2Session session(model, {.threads = 2});
  for (const std::int64_t guesses : {0, 6}) {
    Generator generator(session, {.sequences = 3});  // the fourth waits for a place
    GenerationParameters p = sliding(500);
    p.prompt_lookup_num_tokens = guesses;
    p.do_sample = true;
    generator.generate(prompts_, p);
    const std::int64_t before = anonymous_bytes();
    std::size_t made = 0;
    for (p.seed = 1; p.seed <= 5; ++p.seed) {
      for (const GeneratedSequence& s : generator.generate(prompts_, p)) made += s.tokens.size();
    }
    EXPECT_EQ(made, 10'000u);
    // A number a token would be ten pages; a stack may have grown by one.
    EXPECT_LE(anonymous_bytes() - before, 2 * 4096) << "guesses " << guesses;
  }
}

}  // namespace
}  // namespace linnet
