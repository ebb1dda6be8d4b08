// Entities in tags. The expected spans follow the rules of conlleval.
#include "engine/tasks/entity_score.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <sstream>

namespace linnet {
namespace {

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> tags;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    tags.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return tags;
}

// "0-2 PER, 3-4 LOC"
std::string spans(std::string_view tags) {
  const auto words = split(tags);
  std::ostringstream out;
  for (const TagSpan& span : tag_spans(words)) {
    out << (out.tellp() > 0 ? ", " : "") << span.first << "-" << span.end << " " << span.type;
  }
  return out.str();
}

TEST(EntityScore, SpansOfEveryScheme) {
  EXPECT_EQ(spans("O O"), "");
  EXPECT_EQ(spans("B-PER I-PER O B-LOC"), "0-2 PER, 3-4 LOC");
  EXPECT_EQ(spans("B-PER B-PER"), "0-1 PER, 1-2 PER");
  EXPECT_EQ(spans("I-PER I-PER O I-LOC"), "0-2 PER, 3-4 LOC");  // IOB1: I begins after O
  EXPECT_EQ(spans("I-PER B-PER I-PER"), "0-1 PER, 1-3 PER");
  EXPECT_EQ(spans("B-PER I-LOC"), "0-1 PER, 1-2 LOC");  // another type is another entity
  EXPECT_EQ(spans("S-PER B-LOC I-LOC E-LOC"), "0-1 PER, 1-4 LOC");
  EXPECT_EQ(spans("B-LOC E-LOC I-LOC"), "0-2 LOC, 2-3 LOC");
  EXPECT_EQ(spans("S-PER I-PER"), "0-1 PER, 1-2 PER");
  EXPECT_EQ(spans("PER PER O B"), "0-2 PER, 3-4 B");  // without prefixes
  EXPECT_EQ(spans("B-X-Y I-X-Y"), "0-2 X-Y");
}

// One of two answers is right; one of three entities is found.
TEST(EntityScore, CountsWholeEntities) {
  EntityScore score;
  score.add(split("B-PER O O"), split("B-PER O B-LOC"));
  score.add(split("O B-ORG"), split("B-ORG I-ORG"));
  EXPECT_DOUBLE_EQ(score.precision(), 1.0 / 2);
  EXPECT_DOUBLE_EQ(score.recall(), 1.0 / 3);
  EXPECT_DOUBLE_EQ(score.f1(), 2 * 0.5 * (1.0 / 3) / (0.5 + 1.0 / 3));
  EXPECT_DOUBLE_EQ(score.accuracy(), 2.0 / 5);
  EXPECT_EQ(score.entities(), 3);
  EXPECT_EQ(score.words(), 5);
}

TEST(EntityScore, NothingIsZero) {
  EntityScore score;
  EXPECT_TRUE(std::isnan(score.accuracy()));
  EXPECT_EQ(score.f1(), 0);
  score.add(split("O"), split("O"));
  EXPECT_EQ(score.f1(), 0);
  EXPECT_EQ(score.precision(), 0);
  EXPECT_EQ(score.accuracy(), 1);
}

}  // namespace
}  // namespace linnet
