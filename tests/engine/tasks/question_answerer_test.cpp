// Answers against the question-answering pipeline of transformers, and the rules around them.
#include "engine/tasks/question_answerer.h"

#include <gtest/gtest.h>

#include <cstring>

#include "tests/support/data.h"
#include "tests/support/expect_error.h"

namespace linnet {
namespace {

std::filesystem::path folder() { return test::data_dir() / "checkpoints/minilm-squad2"; }

TaskModel load(kernels::Isa isa = choose_isa()) {
  LoadOptions options;
  options.isa = isa;
  options.head = HeadKind::kQuestionAnswering;
  return load_task_model(folder(), options);
}

std::string some_text() {
  return "Ada baked the bread in Riga. Zoë 😀 ate it in Zürich. ADA sold it.";
}

// About 2,700 tokens.
std::string long_text() {
  const char* names[] = {"plums", "figs", "sloes", "quinces", "pears"};
  std::string text;
  for (int i = 0; i < 200; ++i) {
    text += "Room " + std::to_string(i) + " holds " + std::to_string(i * 7) + " jars of " +
            names[i % 5] + ". ";
  }
  return text + "The zoë 😀 key opens every room.";
}

struct Expected {
  double score;
  std::int64_t start, end;
  std::string answer;
};

struct Case {
  std::string context, question;
  AnswerOptions options;
  std::vector<Expected> answers;
};

// From transformers 4.57.6 and torch 2.15 in float32:
// pipeline("question-answering", model=…, dtype=torch.float32)(question=…, context=…, **options).
std::vector<Case> pipeline_cases() {
  return {
      {some_text(),
       "Who baked the bread?",
       {.top_k = 3},
       {{0.0181161892, 0, 34, "Ada baked the bread in Riga. Zoë 😀"},
        {0.0119903013, 29, 34, "Zoë 😀"},
        {0.00983347959, 0, 3, "Ada"}}},
      {some_text(),
       "Where did Zoë eat?",
       {.top_k = 4, .max_answer_len = 3},
       {{0.0982483774, 45, 51, "Zürich"},
        {0.0157652721, 42, 51, "in Zürich"},
        {0.00263560819, 23, 27, "Riga"},
        {0.00121318921, 39, 51, "it in Zürich"}}},
      {some_text(),
       "Who painted the ceiling?",
       {.top_k = 3, .handle_impossible_answer = true},
       {{0.696835816, 0, 0, ""},
        {0.00292105996, 0, 34, "Ada baked the bread in Riga. Zoë 😀"},
        {0.00259972713, 29, 34, "Zoë 😀"}}},
      {some_text(),
       "Where?",
       {.top_k = 5, .align_to_words = false},
       {{0.026525069, 45, 51, "Zürich"},
        {0.0196699798, 23, 51, "Riga. Zoë 😀 ate it in Zürich"},
        {0.0117412265, 23, 27, "Riga"},
        {0.0017973443, 42, 51, "in Zürich"},
        {0.000404439284, 29, 51, "Zoë 😀 ate it in Zürich"}}},
      {long_text(),
       "How many jars of figs are in room 101?",
       {.top_k = 3},
       {{0.0278253735, 6292, 6296, "1302"},
        {0.0182088092, 2975, 2978, "630"},
        {0.0155953094, 5412, 5416, "1127"}}},
      {long_text(),
       "What opens every room?",
       {.top_k = 3, .max_seq_len = 64, .doc_stride = 16},
       {{0.0312754773, 6774, 6783, "zoë 😀 key"},
        {0.0115508437, 6770, 6783, "The zoë 😀 key"},
        {0.00387042435, 6750, 6783, "1393 jars of pears. The zoë 😀 key"}}},
      {long_text(),
       "What opens every room?",
       {.top_k = 2, .doc_stride = 0, .handle_impossible_answer = true},
       {{0.407876402, 0, 0, ""}, {0.0544098169, 6774, 6783, "zoë 😀 key"}}},
      {long_text(),
       "Which room is last?",
       {.top_k = 2,
        .max_seq_len = 48,
        .doc_stride = 20,
        .max_answer_len = 2,
        .align_to_words = false},
       {{0.0324259549, 5855, 5863, "Room 174"}, {0.0319822505, 6735, 6743, "Room 199"}}},
  };
}

// Substring by code points, as Python slices.
std::string slice(const std::string& text, std::int64_t start, std::int64_t end) {
  std::string out;
  std::int64_t at = -1;
  for (const char c : text) {
    if ((static_cast<unsigned char>(c) & 0xC0) != 0x80) ++at;
    if (at >= start && at < end) out += c;
  }
  return out;
}

TEST(QuestionAnswerer, AnswersAsThePipelineOfTransformers) {
  LINNET_NEEDS(folder());
  const TaskModel model = load();
  QuestionAnswerer answerer(model, {.threads = 2});
  for (const Case& c : pipeline_cases()) {
    SCOPED_TRACE(c.question);
    const Question question{c.question, c.context};
    const auto results = answerer.answer({&question, 1}, c.options);
    ASSERT_EQ(results.size(), 1U);
    EXPECT_EQ(results[0].error, "");
    ASSERT_EQ(results[0].answers.size(), c.answers.size());
    for (std::size_t i = 0; i < c.answers.size(); ++i) {
      const Answer& got = results[0].answers[i];
      const Expected& want = c.answers[i];
      EXPECT_EQ(got.answer, want.answer);
      EXPECT_EQ(got.start, want.start);
      EXPECT_EQ(got.end, want.end);
      EXPECT_NEAR(got.score, want.score, 1e-4 * want.score);  // both sides compute in float32
      EXPECT_EQ(slice(c.context, got.start, got.end), got.answer);
      EXPECT_EQ(c.context.substr(static_cast<std::size_t>(got.byte_start),
                                 static_cast<std::size_t>(got.byte_end - got.byte_start)),
                got.answer);
    }
  }
}

}  // namespace
}  // namespace linnet
