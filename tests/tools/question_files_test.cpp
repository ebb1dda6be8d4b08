// The files of run_qa: which answers, in which order, with which probabilities.
#include "tools/train/question_files.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

namespace linnet::tools {
namespace {

using Json = nlohmann::json;

// Windows of "[CLS] q [SEP] a b c [SEP]": logits of the three words and of [CLS].
struct Example {
  std::string context = "a b c";
  std::vector<float> start{0, -9, -9, 0, 0, 0, -9}, end = start;

  Answers answers(std::int64_t n_best, double threshold) const {
    WindowedText text;
    text.text = {"q", context};
    tokenizer::Encoding& window = text.windows.emplace_back();
    window.ids.resize(7);
    window.sequence_ids = {-1, 0, -1, 1, 1, 1, -1};
    window.offsets = {{0, 0}, {0, 1}, {0, 0}, {0, 1}, {2, 3}, {4, 5}, {0, 0}};
    std::vector<float> logits;
    for (std::size_t i = 0; i < 7; ++i) logits.insert(logits.end(), {start[i], end[i]});
    AnswerOptions options;
    options.top_k = n_best + 1;
    options.n_best_size = n_best;
    options.max_answer_len = 2;
    options.null_score_diff_threshold = threshold;
    const Mat<const float> rows[] = {{logits.data(), 7, 2, 2}};
    return squad_answers(text, rows, options);
  }
};

std::vector<Json> files_of(const Answers& answers, SquadVersion version, std::int64_t n_best) {
  QuestionFiles files(version, n_best);
  files.add("id", answers);
  std::vector<Json> all;
  const char* names[] = {"eval_predictions.json", "eval_nbest_predictions.json",
                         "eval_null_odds.json"};
  for (const AnswerFile& file : std::move(files).files("eval_")) {
    EXPECT_EQ(file.name, names[all.size()]);
    all.push_back(Json::parse(file.text).at("id"));
  }
  EXPECT_EQ(all.size(), version == SquadVersion::kTwo ? 3u : 2u);
  return all;
}

std::vector<std::string> texts(const Json& best) {
  std::vector<std::string> all;
  for (const Json& answer : best) all.push_back(answer.at("text"));
  return all;
}

TEST(QuestionFiles, NoAnswerTakesItsPlaceAmongTheBest) {
  Example e;
  e.start = {1, -9, -9, 3, 1, 0, -9};
  e.end = {1.5F, -9, -9, 2, 0.25F, 1, -9};
  // a 5, "a b" 3.25, "" 2.5, "b c" 2, b 1.25, c 1
  const auto files = files_of(e.answers(20, 0), SquadVersion::kTwo, 20);
  EXPECT_EQ(files[0], "a");
  EXPECT_EQ(texts(files[1]), (std::vector<std::string>{"a", "a b", "", "b c", "b", "c"}));
  EXPECT_EQ(files[2], -2.5);
  double sum = 0;
  for (const double score : {5.0, 3.25, 2.5, 2.0, 1.25, 1.0}) sum += std::exp(score - 5);
  EXPECT_EQ(files[1][0].size(), 4u);
  EXPECT_EQ(files[1][1].at("start_logit"), 3);
  EXPECT_EQ(files[1][1].at("end_logit"), 0.25);
  EXPECT_NEAR(files[1][1].at("probability"), std::exp(-1.75) / sum, 1e-15);
  EXPECT_EQ(files[1][2].at("start_logit"), 1);
  EXPECT_EQ(files[1][2].at("end_logit"), 1.5);
}

// Of the n best it is one, or one more.
TEST(QuestionFiles, OnlySoManyAreWritten) {
  Example e;
  e.start = {1, -9, -9, 3, 1, 0, -9};
  e.end = {1.5F, -9, -9, 2, 0.25F, 1, -9};
  EXPECT_EQ(texts(files_of(e.answers(3, 0), SquadVersion::kTwo, 3)[1]),
            (std::vector<std::string>{"a", "", "b c"}));
  e.start[0] = e.end[0] = -3;  // the worst of all
  EXPECT_EQ(texts(files_of(e.answers(2, 0), SquadVersion::kTwo, 2)[1]),
            (std::vector<std::string>{"a", "b c", ""}));
  EXPECT_EQ(texts(files_of(e.answers(2, 0), SquadVersion::kOne, 2)[1]),
            (std::vector<std::string>{"a", "b c"}));
}

TEST(QuestionFiles, TheThresholdDecidesAndTheOrderStays) {
  Example e;
  e.start = {4, -9, -9, 3, -8, -8, -9};
  e.end = {2, -9, -9, 2, -8, -8, -9};
  const auto none = files_of(e.answers(2, 0.5), SquadVersion::kTwo, 2);  // 6 against 5
  EXPECT_EQ(none[0], "");
  EXPECT_EQ(texts(none[1])[0], "");
  EXPECT_EQ(texts(none[1])[1], "a");
  EXPECT_EQ(none[2], 1);
  const auto some = files_of(e.answers(2, 1.5), SquadVersion::kTwo, 2);
  EXPECT_EQ(some[0], "a");
  EXPECT_EQ(some[1], none[1]);
  EXPECT_EQ(some[2], 1);
}

TEST(QuestionFiles, WithoutASpanThereIsNoAnswer) {
  Example e;
  e.start = {0.5F, 9, 9, 0, 0, 0, 9};  // the two best are not of the context
  e.end = {0.25F, 9, 9, 0, 0, 0, 9};
  for (const SquadVersion version : {SquadVersion::kOne, SquadVersion::kTwo}) {
    const auto files = files_of(e.answers(2, 0), version, 2);
    EXPECT_EQ(files[0], "");
    ASSERT_EQ(files[1].size(), 1u);
    EXPECT_EQ(files[1][0].at("probability"), 1);
    if (version == SquadVersion::kTwo) {
      EXPECT_EQ(files[2], 0.75);
    }
  }
}

}  // namespace
}  // namespace linnet::tools
