// Greedy and beam search against the reference: ids exactly, scores of beams to 1e-5.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/generate/generator.h"
#include "tests/support/expect_error.h"
#include "tests/support/golden.h"
#include "tests/support/random_gpt2.h"

namespace linnet {
namespace {

namespace fs = std::filesystem;
using Ids = std::vector<std::int32_t>;

Gpt2Model load(const fs::path& folder) {
  LoadOptions options;
  options.isa = kernels::supported_isas().back();
  return load_gpt2(weights::Checkpoint(folder), options);
}

GenerationParameters parse(const std::string& text, GenerationParameters p = {}) {
  const json::Document document = json::parse(text, "parameters", json::kConfigBytes);
  read_parameters(document.root(), p, UnknownKeys::kRefuse);
  return p;
}

class GenerateGolden : public testing::TestWithParam<const char*> {};

TEST_P(GenerateGolden, EveryRun) {
  const fs::path folder = test::data_dir() / "goldens" / GetParam();
  LINNET_NEEDS(folder);
  std::ifstream in(folder / "case.json");
  const nlohmann::json golden = nlohmann::json::parse(in);
  const Gpt2Model model =
      load(golden.contains("model") ? folder / std::string(golden["model"]) : folder);
  Gpt2Session session(model, {.threads = 2});
  const auto prompts = golden["prompts"].get<std::vector<Ids>>();
  for (const std::int64_t places : {std::int64_t{16}, std::int64_t{5}}) {
    Generator generator(session, {.sequences = places});
    for (const auto& run : golden["runs"]) {
      GenerationParameters p = parse(run["params"].dump());
      p.max_new_tokens = golden["max_new_tokens"];
      const auto& eos = run["eos_token_id"];
      if (eos.is_number()) p.eos_token_id = {eos};
      if (eos.is_array()) p.eos_token_id = eos.get<Ids>();
      const auto got = generator.generate(prompts, p);
      const auto want = run["new_tokens"].get<std::vector<Ids>>();
      ASSERT_EQ(got.size(), want.size()) << run["name"];
      for (std::size_t i = 0; i < got.size(); ++i) {
        EXPECT_EQ(got[i].tokens, want[i]) << run["name"] << " sequence " << i;
        const bool ended = std::find(p.eos_token_id.begin(), p.eos_token_id.end(),
                                     want[i].back()) != p.eos_token_id.end();
        EXPECT_EQ(got[i].reason, ended ? FinishReason::kEos : FinishReason::kLength)
            << run["name"] << " sequence " << i;
        if (!run.contains("sequences_scores")) continue;
        const double score = run["sequences_scores"][i];
        EXPECT_NEAR(got[i].score, score, 1e-5 * std::abs(score)) << run["name"];
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, GenerateGolden,
                         testing::Values("gpt2_generate", "gpt2_yelp_generate"),
                         [](const auto& p) { return std::string(p.param); });

class Generate : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    dir_ = new test::TempDir;
    test::write_random_gpt2(*dir_, R"({"model_type": "gpt2", "n_embd": 48, "n_layer": 2,
        "n_head": 3, "n_positions": 96, "vocab_size": 211,
        "architectures": ["GPT2LMHeadModel"]})");
  }
  static void TearDownTestSuite() { delete dir_; }
  static test::TempDir* dir_;
  const std::vector<Ids> prompts_{{5, 9, 2}, {77}, {1, 2, 3, 4, 5, 6, 7, 8, 9}, {200, 100}, {5, 9}};
};
test::TempDir* Generate::dir_ = nullptr;

// Tokens of every sequence.
std::vector<Ids> tokens(const std::vector<GeneratedSequence>& sequences) {
  std::vector<Ids> all;
  for (const GeneratedSequence& s : sequences) all.push_back(s.tokens);
  return all;
}

TEST_F(Generate, SamplingDependsOnSeedSequenceAndStepOnly) {
  const Gpt2Model model = load(dir_->path());
  GenerationParameters p = parse(R"({"do_sample": true, "temperature": 3.0, "top_p": 0.95,
      "num_return_sequences": 3, "max_new_tokens": 20, "seed": 12})");
  Gpt2Session session(model, {.threads = 2});
  const auto want = tokens(Generator(session, {.sequences = 16}).generate(prompts_, p));
  EXPECT_NE(want[0], want[1]);  // sequences of one prompt
  for (const kernels::Isa isa : kernels::supported_isas()) {
    LoadOptions options;
    options.isa = isa;
    const Gpt2Model other = load_gpt2(weights::Checkpoint(dir_->path()), options);
    Gpt2Session one(other, {.threads = 1});
    EXPECT_EQ(tokens(Generator(one, {.sequences = 2}).generate(prompts_, p)), want)
        << kernels::name(isa);
  }
  p.seed = 13;
  EXPECT_NE(tokens(Generator(session).generate(prompts_, p)), want);
}

TEST_F(Generate, CallerSeesEveryTokenAndMayStop) {
  const Gpt2Model model = load(dir_->path());
  Gpt2Session session(model);
  Generator generator(session, {.sequences = 2});
  const GenerationParameters p = parse(R"({"max_new_tokens": 12})");
  std::vector<Ids> seen(prompts_.size());
  const auto note = [&](std::int64_t sequence, std::int32_t token) {
    Ids& mine = seen[static_cast<std::size_t>(sequence)];
    mine.push_back(token);
    return sequence == 1 && mine.size() == 4;
  };
  const auto got = generator.generate(prompts_, p, note);
  EXPECT_EQ(tokens(got), seen);
  EXPECT_EQ(got[1].tokens.size(), 4u);
  EXPECT_EQ(got[1].reason, FinishReason::kStopped);
  EXPECT_EQ(got[0].reason, FinishReason::kLength);
  EXPECT_EQ(got[4].tokens.size(), 12u);
}

TEST_F(Generate, LogprobsAreThoseOfTheModel) {
  const Gpt2Model model = load(dir_->path());
  Gpt2Session session(model);
  Generator generator(session);
  const GenerationParameters p =
      parse(R"({"max_new_tokens": 3, "logprobs": 4, "repetition_penalty": 5.0})");
  const auto got = generator.generate(std::span(prompts_).first(1), p);
  Ids ids = prompts_[0];
  for (std::size_t i = 0; i < 3; ++i) {
    const auto n = static_cast<std::int64_t>(ids.size());
    std::vector<std::int32_t> positions(ids.size());
    std::iota(positions.begin(), positions.end(), 0);
    const std::vector<std::int64_t> starts{0, n}, last{n - 1};
    std::vector<float> logits(211);
    Gpt2Outputs out;
    out.vocabulary_logits = {logits.data(), 1, 211, 211};
    out.vocabulary_rows = last;
    session.run({ids, positions, {}, starts}, {}, out);
    std::vector<double> logprobs(211);
    log_softmax(logprobs, logits);
    const auto& noted = got[0].logprobs[i];
    ASSERT_EQ(noted.size(), 5u);
    EXPECT_EQ(noted[0].token, got[0].tokens[i]);
    EXPECT_EQ(noted[0].logprob, logprobs[static_cast<std::size_t>(noted[0].token)]);
    std::sort(logprobs.rbegin(), logprobs.rend());
    for (std::size_t k = 0; k < 4; ++k) EXPECT_EQ(noted[k + 1].logprob, logprobs[k]);
    ids.push_back(got[0].tokens[i]);
  }
}

TEST_F(Generate, RefusesWhatDoesNotFit) {
  const Gpt2Model model = load(dir_->path());
  Gpt2Session session(model);
  Generator generator(session, {.sequences = 3});
  const auto refused = [&](const std::vector<Ids>& prompts, const char* parameters,
                           const std::string& message,
                           ErrorCode code = ErrorCode::kInvalidArgument) {
    const std::string what =
        test::error_of(code, [&] { generator.generate(prompts, parse(parameters)); });
    EXPECT_NE(what.find(message), std::string::npos) << what;
  };
  refused({{}}, "{}", "prompt 0 has no token");
  refused({{1}, {211}}, "{}", "prompt 1: token id 211, expected 0 to 210");
  refused({{1}, {-1}}, "{}", "prompt 1: token id -1");
  refused({{1, 2}}, R"({"max_new_tokens": 95})", "2 tokens, with 95 new ones more than the 96");
  refused({Ids(96, 1)}, "{}", "96 tokens, with 1 new ones more than the 96");
  refused({{1, 2}}, R"({"max_length": 2})", "more than the 2 that fit");
  refused({{1}}, R"({"eos_token_id": 400})", "eos_token_id: token id 400");
  refused({{1}}, R"({"bad_words_ids": [[400]]})", "bad_words_ids: token id 400");
  refused({{1}}, R"({"num_beams": 4})", "places for 3 sequences", ErrorCode::kLimit);
  std::string all_but_one = R"({"num_beams": 2, "num_return_sequences": 2, "max_new_tokens": 2,
      "bad_words_ids": [)";
  for (int id = 1; id < 211; ++id) all_but_one += (id > 1 ? ",[" : "[") + std::to_string(id) + "]";
  refused({{1}, {2}}, (all_but_one + "]}").c_str(), "that are not banned make 1 sequences");
  EXPECT_EQ(generator.generate(std::vector<Ids>{{1}}, parse("{}"))[0].tokens.size(), 95u);
  test::error_of(ErrorCode::kLimit, [&] { Generator(session, {.cache_budget = 1000}); });
  EXPECT_EQ(Generator(session, {.sequences = 9, .cache_budget = 2 * 96 * 48 * 4 * 2 * 2}).places(),
            2);
}

}  // namespace
}  // namespace linnet
