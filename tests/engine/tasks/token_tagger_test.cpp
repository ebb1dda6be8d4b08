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

}  // namespace
}  // namespace linnet
