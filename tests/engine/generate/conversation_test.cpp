// Sequences that begin with what their place in the cache holds.
#include <gtest/gtest.h>

#include "engine/generate/generator.h"
#include "tests/support/random_gpt2.h"

namespace linnet {
namespace {

using Ids = std::vector<std::int32_t>;

class Conversation : public testing::Test {
 protected:
  Conversation() {
    test::write_random_gpt2(dir_, R"({"model_type": "gpt2", "n_embd": 24, "n_layer": 2,
        "n_head": 3, "n_positions": 24, "vocab_size": 31,
        "architectures": ["GPT2LMHeadModel"]})");
    model_.emplace(load_gpt2(weights::Checkpoint(dir_.path()), {}));
  }
  // What a generator of its own gives.
  Ids fresh(const Ids& text, const GenerationParameters& p) const {
    Gpt2Session session(*model_);
    return Generator(session, {.sequences = 1}).generate({&text, 1}, p)[0].tokens;
  }

  test::TempDir dir_;
  std::optional<Gpt2Model> model_;
};

// Turns of `more` tokens and an answer: every answer is that of the whole text, and `read` says how
// many tokens the model read in each turn.
TEST_F(Conversation, ReadsOnlyTheRest) {
  Gpt2Session session(*model_);
  std::int64_t read = 0;
  const auto count = [&](std::int64_t index, std::int64_t, Mat<const float> x) {
    if (index == 0) read += x.rows;
  };
  session.observe(count);
  Generator generator(session, {.sequences = 1});
  GenerationParameters p;
  p.max_new_tokens = 4;
  Ids text;
  for (int turn = 0; turn < 3; ++turn) {
    text.insert(text.end(), {3, 1, turn});
    read = 0;
    const Ids got = generator.generate({&text, 1}, p)[0].tokens;
    EXPECT_EQ(got, fresh(text, p)) << "turn " << turn;
    // The last token of an answer has not been read when it ends.
    EXPECT_EQ(read, (turn == 0 ? 3 : 4) + 3) << "turn " << turn;
    text.insert(text.end(), got.begin(), got.end());
  }
  p.max_new_tokens = 1;
  text[5] = 30;  // another past: what stands before it is still there
  read = 0;
  EXPECT_EQ(generator.generate({&text, 1}, p)[0].tokens, fresh(text, p));
  EXPECT_EQ(read, static_cast<std::int64_t>(text.size()) - 5);
  read = 0;  // the same again: the last token is read for its logits
  EXPECT_EQ(generator.generate({&text, 1}, p)[0].tokens, fresh(text, p));
  EXPECT_EQ(read, 1);
}

TEST_F(Conversation, SlidesAsAWholeTextDoes) {
  Gpt2Session session(*model_);
  Generator generator(session, {.sequences = 1});
  for (const std::int64_t guesses : {0, 3}) {
    GenerationParameters p;
    p.max_new_tokens = 7;
    p.context_overflow = ContextOverflow::kSlide;
    p.prompt_lookup_num_tokens = guesses;
    Ids text;
    for (int turn = 0; turn < 20; ++turn) {
      text.insert(text.end(), {3, 1, turn});
      const Ids got = generator.generate({&text, 1}, p)[0].tokens;
      EXPECT_EQ(got, fresh(text, p)) << "turn " << turn << " guesses " << guesses;
      text.insert(text.end(), got.begin(), got.end());
    }
  }
}

TEST_F(Conversation, NothingIsLeftOfBeamsOrOfAPassThatFailed) {
  Gpt2Session session(*model_);
  Generator generator(session, {.sequences = 2});
  const Ids text{4, 9, 2, 7}, other{4, 9, 2, 8, 1};
  GenerationParameters p;
  p.max_new_tokens = 5;
  const Ids want = fresh(text, p);
  GenerationParameters beams = p;
  beams.num_beams = 2;
  EXPECT_EQ(generator.generate({&text, 1}, p)[0].tokens, want);
  static_cast<void>(generator.generate({&other, 1}, beams));
  EXPECT_EQ(generator.generate({&text, 1}, p)[0].tokens, want);
  // Cancelled behind the first pass of the other text.
  int passes = 0;
  const auto cancel = [&] { return ++passes > 1; };
  session.cancel_when(cancel);
  EXPECT_THROW(static_cast<void>(generator.generate({&other, 1}, p)), Error);
  session.cancel_when({});
  EXPECT_EQ(generator.generate({&text, 1}, p)[0].tokens, want);
}

}  // namespace
}  // namespace linnet
