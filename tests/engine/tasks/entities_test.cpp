#include "engine/tasks/entities.h"

#include <gtest/gtest.h>

#include "weights/base/error.h"

namespace linnet {
namespace {

// micro ##soft com ##pany: the example in which words disagree with their pieces.
class Entities : public testing::Test {
 protected:
  const std::vector<std::string> labels{"O", "B-ORG", "I-ORG", "I-PER"};
  std::vector<std::vector<double>> scores;
  std::vector<TaggedToken> tokens;

  void add(std::string word, std::vector<double> p, std::int64_t start, bool continues) {
    scores.push_back(std::move(p));
    const auto length = static_cast<std::int64_t>(word.size()) - (continues ? 2 : 0);
    tokens.push_back({std::move(word),
                      {},
                      static_cast<std::int64_t>(tokens.size()) + 1,
                      start,
                      start + length,
                      continues});
  }
  void SetUp() override {
    add("micro", {0.1, 0.6, 0.2, 0.1}, 0, false);
    add("##soft", {0.1, 0.1, 0.1, 0.7}, 5, true);
    add("com", {0.1, 0.2, 0.5, 0.2}, 10, false);
    add("##pany", {0.1, 0.1, 0.8, 0.0}, 13, true);
    add("said", {0.9, 0.0, 0.1, 0.0}, 18, false);
    for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i].scores = scores[i];
  }
  std::vector<Entity> run(Aggregation strategy, std::vector<std::string> ignore = {"O"}) {
    return aggregate(tokens, labels, strategy, ignore, [](std::span<const std::string> pieces) {
      std::string text;
      for (const std::string& piece : pieces) {
        if (piece.starts_with("##")) {
          text += piece.substr(2);
        } else {
          text += (text.empty() ? "" : " ") + piece;
        }
      }
      return text;
    });
  }
};

TEST_F(Entities, NoneGivesEveryToken) {
  const auto e = run(Aggregation::kNone);
  ASSERT_EQ(e.size(), 4u);
  EXPECT_EQ(e[0].label, "B-ORG");
  EXPECT_EQ(e[1].label, "I-PER");
  EXPECT_EQ(e[1].word, "##soft");
  EXPECT_EQ(e[1].index, 2);
  EXPECT_EQ(e[3].start, 13);
  EXPECT_EQ(run(Aggregation::kNone, {}).size(), 5u);
}

TEST_F(Entities, SimpleJoinsEqualTags) {
  const auto e = run(Aggregation::kSimple);
  ASSERT_EQ(e.size(), 3u);
  EXPECT_EQ(e[0].label, "ORG");
  EXPECT_EQ(e[0].word, "micro");
  EXPECT_EQ(e[1].label, "PER");
  EXPECT_EQ(e[2].word, "company");
  EXPECT_DOUBLE_EQ(e[2].score, (0.5 + 0.8) / 2);
  EXPECT_EQ(e[2].start, 10);
  EXPECT_EQ(e[2].end, 17);
}

TEST_F(Entities, FirstTakesTheFirstPiece) {
  const auto e = run(Aggregation::kFirst);
  ASSERT_EQ(e.size(), 1u);  // B-ORG, then I-ORG: one entity
  EXPECT_EQ(e[0].word, "microsoft company");
  EXPECT_DOUBLE_EQ(e[0].score, (0.6 + 0.5) / 2);
  EXPECT_EQ(e[0].end, 17);
}

TEST_F(Entities, MaxTakesTheSurestPiece) {
  const auto e = run(Aggregation::kMax);
  ASSERT_EQ(e.size(), 2u);
  EXPECT_EQ(e[0].label, "PER");
  EXPECT_DOUBLE_EQ(e[0].score, 0.7);
  EXPECT_EQ(e[1].label, "ORG");
  EXPECT_DOUBLE_EQ(e[1].score, 0.8);
}

TEST_F(Entities, AverageTakesTheMeanOfThePieces) {
  const auto e = run(Aggregation::kAverage);
  ASSERT_EQ(e.size(), 2u);  // means of microsoft: 0.1 0.35 0.15 0.4
  EXPECT_EQ(e[0].label, "PER");
  EXPECT_DOUBLE_EQ(e[0].score, 0.4);
  EXPECT_DOUBLE_EQ(e[1].score, 0.65);
}

TEST_F(Entities, BeginsANewOneAtB) {
  scores[2] = {0, 1, 0, 0};
  tokens[2].scores = scores[2];
  const auto e = run(Aggregation::kFirst);
  ASSERT_EQ(e.size(), 2u);
  EXPECT_EQ(e[0].word, "microsoft");
  EXPECT_EQ(e[1].word, "company");
}

TEST(MergeWindows, TheLongestOfOverlappingStays) {
  const auto merged = merge_windows({{"A", 0.9, -1, "b", 5, 8},
                                     {"A", 0.5, -1, "a b", 3, 8},
                                     {"A", 0.7, -1, "c", 10, 12},
                                     {"A", 0.8, -1, "c", 10, 12}});
  ASSERT_EQ(merged.size(), 2u);
  EXPECT_EQ(merged[0].word, "a b");
  EXPECT_EQ(merged[1].score, 0.8);
}

TEST(Aggregation, NamesOfStrategies) {
  EXPECT_EQ(parse_aggregation("average"), Aggregation::kAverage);
  EXPECT_THROW(parse_aggregation("mean"), Error);
}

}  // namespace
}  // namespace linnet
