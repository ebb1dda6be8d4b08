// Candidates against the fill-mask pipeline of transformers, and the rules around them.
#include "engine/tasks/mask_filler.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/engine/tasks/pipeline_cases.h"
#include "tests/support/expect_error.h"

namespace linnet {
namespace {

using test::Json;

class MaskFillerTest : public testing::Test {
 protected:
  test::TempDir dir_;

  void SetUp() override {
    LINNET_NEEDS(test::goldens());
    test::make_small_model(dir_, "bert_mlm");
  }

  TaskModel load(kernels::Isa isa = choose_isa()) const {
    return test::load_head(dir_.path(), HeadKind::kMaskedLm, isa);
  }

  static Fills fill(MaskFiller& filler, std::string_view text, const FillOptions& options = {}) {
    return filler.fill({&text, 1}, options).at(0);
  }
};

FillOptions options_of(const Json& given) {
  FillOptions options;
  options.top_k = given.value("top_k", options.top_k);
  if (given.contains("targets")) {
    const Json& targets = given["targets"];
    if (targets.is_string()) {
      options.targets = {targets.get<std::string>()};
    } else {
      options.targets = targets.get<std::vector<std::string>>();
    }
  }
  return options;
}

TEST_F(MaskFillerTest, FillsAsThePipelineOfTransformers) {
  const TaskModel model = load();
  MaskFiller filler(model, {.threads = 2});
  const auto cases = test::pipeline_cases("fill.jsonl");
  ASSERT_EQ(cases.size(), 11U);
  for (const Json& c : cases) {
    SCOPED_TRACE(c["input"].dump() + c["options"].dump());
    const Fills got = fill(filler, c["input"].get<std::string>(), options_of(c["options"]));
    EXPECT_EQ(got.error, "");
    const bool several = c["expected"][0].is_array();
    const Json masks = several ? c["expected"] : Json::array({c["expected"]});
    ASSERT_EQ(got.masks.size(), masks.size());
    for (std::size_t m = 0; m < masks.size(); ++m) {
      ASSERT_EQ(got.masks[m].size(), masks[m].size());
      for (std::size_t i = 0; i < masks[m].size(); ++i) {
        const Fill& f = got.masks[m][i];
        const Json& want = masks[m][i];
        EXPECT_EQ(f.token, want["token"]);
        EXPECT_EQ(f.token_str, want["token_str"]);
        EXPECT_EQ(f.sequence, want["sequence"]);
        EXPECT_NEAR(f.score, want["score"], 1e-4 * want["score"].get<double>());  // float32
      }
    }
  }
}

TEST_F(MaskFillerTest, WhatCannotBeReadFailsAloneInItsRow) {
  const TaskModel model = load();
  MaskFiller filler(model);
  std::string long_text = "[MASK]";
  for (int i = 0; i < 60; ++i) long_text += " the world";
  const std::string_view texts[] = {"he [MASK]", "he had", "", long_text, "bad \xFF", "he [MASK]"};
  const auto got = filler.fill(texts);
  ASSERT_EQ(got.size(), 6U);
  EXPECT_EQ(got[1].error, "the text has no mask token");
  EXPECT_EQ(got[2].error, "the text has no mask token");
  EXPECT_EQ(got[3].error, "the text has 123 tokens, expected at most 40");
  EXPECT_NE(got[4].error, "");
  for (const std::size_t i : {1U, 2U, 3U, 4U}) EXPECT_TRUE(got[i].masks.empty()) << i;
  ASSERT_EQ(got[0].masks.size(), 1U);
  EXPECT_EQ(got[0].masks[0].at(0).score, got[5].masks.at(0).at(0).score);
  FillOptions options;
  options.too_long = TooLong::kTruncate;
  EXPECT_EQ(fill(filler, long_text, options).masks.size(), 1U);
  EXPECT_EQ(fill(filler, long_text.substr(6) + long_text, options).error,
            "the text has no mask token");  // it is cut away
}

TEST_F(MaskFillerTest, TargetsAreTokens) {
  const TaskModel model = load();
  MaskFiller filler(model);
  EXPECT_TRUE(find_target(model, "world")->exact);
  const auto first = find_target(model, "worldly");
  ASSERT_TRUE(first);
  EXPECT_FALSE(first->exact);
  EXPECT_EQ(model.tokenizer.token(first->id), "world");
  EXPECT_FALSE(find_target(model, ""));
  EXPECT_EQ(find_target(model, "\xF0\x9F\x98\x80")->id, model.tokenizer.special_ids().unk);
  FillOptions options;
  options.targets = {"", " "};
  test::error_of(ErrorCode::kInvalidArgument, [&] { fill(filler, "a [MASK]", options); });
  options.targets = {"world", "", "worldly", "made"};
  EXPECT_EQ(fill(filler, "a [MASK]", options).masks.at(0).size(), 2U);
}

TEST_F(MaskFillerTest, ATextOfMasksAlone) {
  const TaskModel model = load();
  MaskFiller filler(model);
  std::string masks;
  for (int i = 0; i < 38; ++i) masks += "[MASK]";
  FillOptions options;
  options.top_k = 211;
  const Fills got = fill(filler, masks, options);
  ASSERT_EQ(got.masks.size(), 38U);
  for (const std::vector<Fill>& mask : got.masks) {
    double sum = 0;
    for (const Fill& f : mask) sum += f.score;
    EXPECT_EQ(mask.size(), 211U);
    EXPECT_NEAR(sum, 1, 1e-9);
    EXPECT_TRUE(std::is_sorted(mask.begin(), mask.end(),
                               [](const Fill& a, const Fill& b) { return a.score > b.score; }));
  }
}

TEST_F(MaskFillerTest, OptionsAndHeadsThatCannotBeAreRefused) {
  const TaskModel model = load();
  MaskFiller filler(model);
  FillOptions options;
  options.top_k = 0;
  test::error_of(ErrorCode::kInvalidArgument, [&] { fill(filler, "[MASK]", options); });
  test::TempDir dir;
  test::make_small_model(dir, "bert_tokcls");
  const TaskModel other = test::load_head(dir.path(), HeadKind::kTokenClassification);
  test::error_of(ErrorCode::kInvalidArgument, [&] { MaskFiller another(other); });
}

TEST_F(MaskFillerTest, ProgressIsToldAndCancelEndsTheCall) {
  const TaskModel model = load();
  MaskFiller filler(model);
  const std::vector<std::string_view> texts(300, "he had [MASK] there");
  std::int64_t done = 0, all = 1;
  TaskCalls calls;
  calls.progress = [&](std::int64_t now, std::int64_t total) {
    EXPECT_GT(now, done);
    done = now;
    all = total;
  };
  filler.fill(texts, {}, calls);
  EXPECT_EQ(done, all);
  TaskCalls cancelling;
  int asked = 0;
  cancelling.cancel = [&] { return ++asked == 2; };
  test::error_of(ErrorCode::kCancelled, [&] { filler.fill(texts, {}, cancelling); });
  EXPECT_EQ(fill(filler, texts[0]).error, "");  // it goes on working
}

TEST_F(MaskFillerTest, TheBitsOfACandidateDependOnItsTextAlone) {
  std::vector<std::string> texts;
  for (int i = 0; i < 90; ++i) {
    std::string text = "he";
    for (int k = 0; k < i % 11; ++k) text += k % 3 == 1 ? " [MASK]" : " world";
    texts.push_back(text + " [MASK]");
  }
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  std::vector<Fills> want;  // each alone, one thread, reference level
  const TaskModel reference = load(kernels::Isa::kReference);
  MaskFiller alone(reference);
  for (const std::string_view text : views) want.push_back(fill(alone, text));
  for (const kernels::Isa isa : kernels::supported_isas()) {
    const TaskModel model = load(isa);
    for (const int threads : {1, 2, 4}) {
      MaskFiller filler(model, {.threads = threads, .tokens_per_pass = 100});
      const auto got = filler.fill(views);
      for (std::size_t i = 0; i < want.size(); ++i) {
        ASSERT_EQ(got[i].masks.size(), want[i].masks.size());
        for (std::size_t m = 0; m < want[i].masks.size(); ++m) {
          for (std::size_t k = 0; k < want[i].masks[m].size(); ++k) {
            EXPECT_EQ(got[i].masks[m].at(k).score, want[i].masks[m][k].score);
            EXPECT_EQ(got[i].masks[m][k].sequence, want[i].masks[m][k].sequence);
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace linnet
