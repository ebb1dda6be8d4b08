// The official scores of SQuAD by hand. The scores of published predictions are in
// tests/tools/evaluate_test.cpp.
#include "engine/tasks/squad_score.h"

#include <gtest/gtest.h>

#include <cmath>

namespace linnet {
namespace {

using Words = std::vector<std::string>;
using Gold = std::vector<std::string_view>;

TEST(SquadScore, WordsWithoutCaseArticlesAndPunctuation) {
  EXPECT_EQ(answer_words("The  Denver\tBroncos!"), (Words{"denver", "broncos"}));
  EXPECT_EQ(answer_words("U.S. $1,000 (a-b)"), (Words{"us", "1000", "ab"}));
  EXPECT_EQ(answer_words(" an A the "), Words{});
  EXPECT_EQ(answer_words(""), Words{});
  EXPECT_EQ(answer_words("theatre ant a1 the_x"), (Words{"theatre", "ant", "a1", "thex"}));
}

// Punctuation goes first and only that of ASCII; an article beside other signs is still a word.
TEST(SquadScore, WordsBeyondAscii) {
  EXPECT_EQ(answer_words("t.h.e end"), (Words{"end"}));
  EXPECT_EQ(answer_words("1990\u2013the end"), (Words{"1990\u2013", "end"}));
  EXPECT_EQ(answer_words("\u201cthe\u201d"), (Words{"\u201c", "\u201d"}));
  EXPECT_EQ(answer_words("\u00c9COLE\u00a0\u041c\u0418\u0420\u3000x"),
            (Words{"\u00e9cole", "\u043c\u0438\u0440", "x"}));
  EXPECT_EQ(answer_words("th\u00e9 a\u00e9"), (Words{"th\u00e9", "a\u00e9"}));
  EXPECT_EQ(answer_words("\u0130"), (Words{"i\u0307"}));
  EXPECT_EQ(answer_words("x\x1fy"), (Words{"x", "y"}));
  EXPECT_EQ(answer_words("x\xff"), (Words{"x\ufffd"}));
}

TEST(SquadScore, F1CountsRepeatedWords) {
  const Words a{"x", "x", "y"}, b{"x", "z", "x", "x"};
  EXPECT_DOUBLE_EQ(word_f1(a, b, SquadVersion::kOne), 2 * (2.0 / 3) * (2.0 / 4) / (7.0 / 6));
  EXPECT_EQ(word_f1(a, Words{"z"}, SquadVersion::kTwo), 0);
  EXPECT_EQ(word_f1(a, Words{"y", "x", "x"}, SquadVersion::kTwo), 1);
  EXPECT_FALSE(exact_match(a, Words{"y", "x", "x"}));
}

TEST(SquadScore, EmptySidesDifferByVersion) {
  EXPECT_EQ(word_f1(Words{}, Words{}, SquadVersion::kOne), 0);
  EXPECT_EQ(word_f1(Words{}, Words{}, SquadVersion::kTwo), 1);
  EXPECT_EQ(word_f1(Words{"x"}, Words{}, SquadVersion::kTwo), 0);
  EXPECT_EQ(word_f1(Words{}, Words{"x"}, SquadVersion::kTwo), 0);
}

TEST(SquadScore, TheBestGoldAnswerCounts) {
  SquadScore score(SquadVersion::kOne);
  score.add("the red fox", Gold{"fox", "a red fox", "dog"});
  score.add("red", Gold{"red fox", "blue fox"});
  EXPECT_EQ(score.all().questions, 2);
  EXPECT_DOUBLE_EQ(score.all().exact_percent(), 50);
  EXPECT_DOUBLE_EQ(score.all().f1_percent(), 100 * (1 + 2.0 / 3) / 2);
}

TEST(SquadScore, NoAnswerIsAnAnswerOfVersionTwo) {
  SquadScore score(SquadVersion::kTwo);
  score.add("", Gold{});
  score.add("fox", Gold{});
  score.add("", Gold{"fox"});
  score.add("", Gold{"the"});  // has an answer, of which no word is left
  EXPECT_EQ(score.unanswerable().questions, 2);
  EXPECT_EQ(score.unanswerable().exact, 1);
  EXPECT_EQ(score.unanswerable().f1, 1);
  EXPECT_EQ(score.answerable().questions, 2);
  EXPECT_EQ(score.answerable().exact, 1);
  EXPECT_DOUBLE_EQ(score.all().exact_percent(), 50);
  EXPECT_TRUE(std::isnan(SquadScore(SquadVersion::kTwo).all().f1_percent()));
}

}  // namespace
}  // namespace linnet
