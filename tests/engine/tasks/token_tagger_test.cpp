// Entities against the token-classification pipeline of transformers, and the rules around them.
#include "engine/tasks/token_tagger.h"

#include <gtest/gtest.h>

#include "tests/engine/tasks/pipeline_cases.h"
#include "tests/support/expect_error.h"

namespace linnet {
namespace {

using test::Json;

class TokenTaggerTest : public testing::Test {
 protected:
  test::TempDir dir_;

  void SetUp() override {
    LINNET_NEEDS(test::goldens());
    const Json labels{"O", "B-PER", "I-PER", "B-LOC", "I-LOC"};
    Json id2label, label2id;
    for (std::size_t i = 0; i < labels.size(); ++i) {
      id2label[std::to_string(i)] = labels[i];
      label2id[labels[i].get<std::string>()] = i;
    }
    test::make_small_model(dir_, "bert_tokcls", {{"id2label", id2label}, {"label2id", label2id}});
  }

  TaskModel load(kernels::Isa isa = choose_isa()) const {
    return test::load_head(dir_.path(), HeadKind::kTokenClassification, isa);
  }

  static Tags tag(TokenTagger& tagger, std::string_view text, const TagOptions& options = {}) {
    return tagger.tag({&text, 1}, options).at(0);
  }
};

TagOptions options_of(const Json& given) {
  TagOptions options;
  options.aggregation_strategy =
      parse_aggregation(given.value("aggregation_strategy", std::string("none")));
  if (given.contains("ignore_labels")) options.ignore_labels = given["ignore_labels"];
  if (given.contains("stride")) options.stride = given["stride"].get<std::int64_t>();
  return options;
}

TEST_F(TokenTaggerTest, TagsAsThePipelineOfTransformers) {
  const TaskModel model = load();
  TokenTagger tagger(model, {.threads = 2});
  const auto cases = test::pipeline_cases("tag.jsonl");
  ASSERT_EQ(cases.size(), 29U);
  for (const Json& c : cases) {
    SCOPED_TRACE(c["input"].dump() + c["options"].dump());
    const std::string text = test::text_of(c["input"]);
    const Tags got = tag(tagger, text, options_of(c["options"]));
    EXPECT_EQ(got.error, "");
    ASSERT_EQ(got.entities.size(), c["expected"].size());
    for (std::size_t i = 0; i < got.entities.size(); ++i) {
      const TextEntity& e = got.entities[i];
      const Json& want = c["expected"][i];
      EXPECT_EQ(e.label, want.contains("entity") ? want["entity"] : want["entity_group"]);
      EXPECT_EQ(e.word, want["word"]);
      EXPECT_EQ(e.start, want["start"]);
      EXPECT_EQ(e.end, want["end"]);
      EXPECT_EQ(e.index, want.value("index", -1));
      EXPECT_NEAR(e.score, want["score"], 1e-5);  // both sides compute in float32
      EXPECT_EQ(text.substr(static_cast<std::size_t>(e.byte_start),
                            static_cast<std::size_t>(e.byte_end - e.byte_start)),
                test::slice(text, e.start, e.end));
    }
  }
}

TEST_F(TokenTaggerTest, WhatCannotBeReadFailsAloneInItsRow) {
  const TaskModel model = load();
  TokenTagger tagger(model);
  const std::string_view texts[] = {"he had been there", "bad \xFF byte", "", "he had been there"};
  TagOptions options;
  options.ignore_labels = {};
  const auto got = tagger.tag(texts, options);
  ASSERT_EQ(got.size(), 4U);
  EXPECT_NE(got[1].error, "");
  EXPECT_TRUE(got[1].entities.empty());
  EXPECT_EQ(got[2].error, "");
  EXPECT_TRUE(got[2].entities.empty());
  EXPECT_EQ(got[0].entities.size(), 4U);
  EXPECT_EQ(got[3].entities.size(), 4U);
  EXPECT_TRUE(tagger.tag({}).empty());
  options.encode.invalid_utf8 = tokenizer::InvalidUtf8::kReplace;
  const Tags replaced = tag(tagger, "\xFF he", options);
  EXPECT_EQ(replaced.error, "");
  ASSERT_FALSE(replaced.entities.empty());
  EXPECT_EQ(replaced.entities.back().start, 2);       // U+FFFD and a space
  EXPECT_EQ(replaced.entities.back().byte_start, 4);  // the first has three bytes
}

TEST_F(TokenTaggerTest, AStrideThatCannotBeIsRefused) {
  const TaskModel model = load();
  TokenTagger tagger(model);
  const auto refused = [&](Aggregation strategy, std::int64_t stride,
                           std::optional<std::int64_t> max_length = {}) {
    TagOptions options;
    options.aggregation_strategy = strategy;
    options.stride = stride;
    options.max_length = max_length;
    return test::error_of(ErrorCode::kInvalidArgument, [&] { tag(tagger, "he", options); });
  };
  EXPECT_NE(refused(Aggregation::kNone, 5).find("strategy none"), std::string::npos);
  EXPECT_NE(refused(Aggregation::kFirst, 38).find("less than the 38"), std::string::npos);
  EXPECT_NE(refused(Aggregation::kFirst, -1), "");
  EXPECT_NE(refused(Aggregation::kFirst, 8, 10), "");
}

TEST_F(TokenTaggerTest, AnotherHeadIsRefused) {
  test::TempDir dir;
  test::make_small_model(dir, "bert_mlm");
  const TaskModel other = test::load_head(dir.path(), HeadKind::kMaskedLm);
  test::error_of(ErrorCode::kInvalidArgument, [&] { TokenTagger tagger(other); });
}

TEST_F(TokenTaggerTest, ProgressIsToldAndCancelEndsTheCall) {
  const TaskModel model = load();
  TokenTagger tagger(model);
  const std::vector<std::string_view> texts(3000, "he had been there before");
  std::int64_t done = 0, all = 1;
  int calls_made = 0;
  TaskCalls calls;
  calls.progress = [&](std::int64_t now, std::int64_t total) {
    EXPECT_GT(now, done);
    done = now;
    all = total;
    ++calls_made;
  };
  tagger.tag(texts, {}, calls);
  EXPECT_EQ(done, all);
  EXPECT_GT(calls_made, 1);
  TaskCalls cancelling;
  cancelling.cancel = [] { return true; };
  test::error_of(ErrorCode::kCancelled, [&] { tagger.tag(texts, {}, cancelling); });
  EXPECT_EQ(tag(tagger, texts[0]).error, "");  // it goes on working
}

TEST_F(TokenTaggerTest, TheBitsOfAnEntityDependOnItsTextAlone) {
  std::vector<std::string> texts;
  for (const Json& c : test::pipeline_cases("tag.jsonl"))
    texts.push_back(test::text_of(c["input"]));
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  TagOptions options;
  options.aggregation_strategy = Aggregation::kAverage;
  options.stride = 7;
  std::vector<Tags> want;  // each alone, one thread, reference level
  const TaskModel reference = load(kernels::Isa::kReference);
  TokenTagger alone(reference);
  for (const std::string_view text : views) want.push_back(tag(alone, text, options));
  for (const kernels::Isa isa : kernels::supported_isas()) {
    const TaskModel model = load(isa);
    for (const int threads : {1, 2, 4}) {
      TokenTagger tagger(model, {.threads = threads, .tokens_per_pass = 128});
      const auto got = tagger.tag(views, options);
      for (std::size_t i = 0; i < want.size(); ++i) {
        ASSERT_EQ(got[i].entities.size(), want[i].entities.size());
        for (std::size_t k = 0; k < want[i].entities.size(); ++k) {
          EXPECT_EQ(got[i].entities[k].score, want[i].entities[k].score);
          EXPECT_EQ(got[i].entities[k].label, want[i].entities[k].label);
        }
      }
    }
  }
}

}  // namespace
}  // namespace linnet
