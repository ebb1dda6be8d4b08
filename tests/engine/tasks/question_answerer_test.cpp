// Answers against the question-answering pipeline of transformers, and the rules around them.
#include "engine/tasks/question_answerer.h"

#include <gtest/gtest.h>

#include "tests/engine/tasks/pipeline_cases.h"
#include "tests/support/expect_error.h"

namespace linnet {
namespace {

using test::Json;

std::filesystem::path folder() { return test::data_dir() / "checkpoints/minilm-squad2"; }

AnswerOptions options_of(const Json& given) {
  AnswerOptions options;
  options.top_k = given.value("top_k", options.top_k);
  if (given.contains("max_seq_len")) options.max_seq_len = given["max_seq_len"].get<std::int64_t>();
  if (given.contains("doc_stride")) options.doc_stride = given["doc_stride"].get<std::int64_t>();
  options.max_answer_len = given.value("max_answer_len", options.max_answer_len);
  options.handle_impossible_answer = given.value("handle_impossible_answer", false);
  options.align_to_words = given.value("align_to_words", true);
  return options;
}

TEST(QuestionAnswerer, AnswersAsThePipelineOfTransformers) {
  LINNET_NEEDS(folder());
  const TaskModel model = test::load_head(folder(), HeadKind::kQuestionAnswering);
  QuestionAnswerer answerer(model, {.threads = 2});
  const auto cases = test::pipeline_cases("answer.jsonl");
  ASSERT_EQ(cases.size(), 13U);
  for (const Json& c : cases) {
    const std::string question = c["input"][0].get<std::string>();
    SCOPED_TRACE(question + c["options"].dump());
    const std::string context = c["input"][1].get<std::string>();
    const Question input{question, context};
    const Answers got = answerer.answer({&input, 1}, options_of(c["options"])).at(0);
    EXPECT_EQ(got.error, "");
    ASSERT_EQ(got.answers.size(), c["expected"].size());
    for (std::size_t i = 0; i < got.answers.size(); ++i) {
      const Answer& answer = got.answers[i];
      const Json& want = c["expected"][i];
      EXPECT_EQ(answer.answer, want["answer"]);
      EXPECT_EQ(answer.start, want["start"]);
      EXPECT_EQ(answer.end, want["end"]);
      EXPECT_NEAR(answer.score, want["score"], 1e-4 * want["score"].get<double>());  // float32
      EXPECT_EQ(test::slice(context, answer.start, answer.end), answer.answer);
      EXPECT_EQ(context.substr(static_cast<std::size_t>(answer.byte_start),
                               static_cast<std::size_t>(answer.byte_end - answer.byte_start)),
                answer.answer);
    }
  }
}

}  // namespace
}  // namespace linnet
