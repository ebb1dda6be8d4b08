// Answers against the question-answering pipeline of transformers, and the rules around them.
#include "engine/tasks/question_answerer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

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

// As in engine/tasks/README.md.
TEST(QuestionAnswerer, TheExampleOfTheReadme) {
  LINNET_NEEDS(folder());
  const TaskModel model =
      load_task_model(folder(), {.isa = choose_isa(), .head = HeadKind::kQuestionAnswering});
  QuestionAnswerer answerer(model, {.threads = 2});

  const std::string_view questions[] = {"Who ran the bakery?", "What was sold?"};
  const std::string_view context = "Ada Kalnins ran the bakery for forty years and sold rye bread.";
  std::vector<std::string> answers;
  for (const Answers& found : answerer.answer(questions, context, {.max_answer_len = 5})) {
    answers.push_back(found.error.empty() ? found.answers[0].answer : found.error);
  }
  EXPECT_EQ(answers, (std::vector<std::string>{"Ada Kalnins", "rye bread"}));
}

// The answers of the first validation questions, as the scripts that made the checkpoint have them.
TEST(QuestionAnswerer, DecidesAsEvaluationsOnSquadDo) {
  const auto file = test::data_dir() / "squad/dev-v2.0.json";
  LINNET_NEEDS(folder());
  LINNET_NEEDS(file);
  std::map<std::string, std::pair<std::string, std::string>> texts;  // question and context by id
  const Json squad = Json::parse(std::ifstream(file));
  for (const Json& article : squad.at("data")) {
    for (const Json& paragraph : article.at("paragraphs")) {
      for (const Json& q : paragraph.at("qas")) {
        texts[q.at("id")] = {q.at("question"), paragraph.at("context")};
      }
    }
  }
  const Json expected = Json::parse(std::ifstream(folder() / "expected.json"));
  const TaskModel model = test::load_head(folder(), HeadKind::kQuestionAnswering);
  QuestionAnswerer answerer(model, {.threads = 2});
  AnswerOptions options;
  options.max_answer_len = 30;
  options.null_score_diff_threshold = 0;
  options.top_k = 21;
  std::vector<Question> questions;
  std::vector<Json> wanted;
  for (const Json& want : expected.at("first_questions")) {
    const auto& [question, context] = texts.at(want.at("id"));
    questions.push_back({question, context});
    wanted.push_back(want);
    if (wanted.size() == 60) break;
  }
  const std::vector<Answers> got = answerer.answer(questions, options);
  std::size_t empty = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    SCOPED_TRACE(questions[i].question);
    ASSERT_FALSE(got[i].answers.empty());
    EXPECT_EQ(got[i].answers[0].answer, wanted[i].at("prediction"));
    empty += got[i].answers[0].answer.empty();
    const auto best = std::find_if(got[i].answers.begin(), got[i].answers.end(),
                                   [](const Answer& a) { return !a.answer.empty(); });
    ASSERT_NE(best, got[i].answers.end());
    EXPECT_EQ(best->answer, wanted[i].at("best_non_null"));
    const double diff =
        wanted[i].at("null_score").get<double>() - wanted[i].at("best_score").get<double>();
    ASSERT_TRUE(got[i].null_score_diff);
    EXPECT_NEAR(*got[i].null_score_diff, diff, 1e-4);
    double sum = 0;
    for (const Answer& a : got[i].answers) sum += a.score;
    EXPECT_NEAR(sum, 1, 1e-9);
  }
  EXPECT_GT(empty, 5U);
  EXPECT_LT(empty, 55U);
}

class AnswererRules : public testing::Test {
 protected:
  static constexpr const char* kContext = "Ada baked the bread in Riga. Zoë ate it in Zürich.";

  void SetUp() override { LINNET_NEEDS(folder()); }

  static const TaskModel& model() {
    static const TaskModel loaded = test::load_head(folder(), HeadKind::kQuestionAnswering);
    return loaded;
  }

  static std::vector<Answers> ask(const std::vector<Question>& questions,
                                  const AnswerOptions& options = {}, const TaskCalls& calls = {}) {
    QuestionAnswerer answerer(model());
    return answerer.answer(questions, options, calls);
  }
};

TEST_F(AnswererRules, WhatCannotBeReadFailsAloneInItsRow) {
  std::string long_question;
  for (int i = 0; i < 400; ++i) long_question += "why ";
  const auto got = ask({{"Who?", kContext},
                        {"", kContext},
                        {"Who?", ""},
                        {long_question, kContext},
                        {"Who?", "bad \xFF byte"},
                        {"Who?", kContext}});
  ASSERT_EQ(got.size(), 6U);
  EXPECT_EQ(got[1].error, "the question is empty");
  EXPECT_EQ(got[2].error, "the context is empty");
  for (const std::size_t i : {1U, 2U, 3U, 4U}) {
    EXPECT_NE(got[i].error, "") << i;
    EXPECT_TRUE(got[i].answers.empty()) << i;
  }
  ASSERT_EQ(got[0].answers.size(), 1U);
  EXPECT_EQ(got[0].error + got[5].error, "");
  EXPECT_EQ(got[0].answers[0].answer, got[5].answers[0].answer);
  EXPECT_TRUE(ask({}).empty());
}

TEST_F(AnswererRules, AContextWithoutWordsHasNoAnswer) {
  AnswerOptions options;
  const Answers plain = ask({{"Who?", " \n "}}, options)[0];
  EXPECT_EQ(plain.error, "");
  ASSERT_EQ(plain.answers.size(), 1U);
  EXPECT_EQ(plain.answers[0].answer, "");
  EXPECT_EQ(plain.answers[0].score, 0);
  options.handle_impossible_answer = true;
  EXPECT_NEAR(ask({{"Who?", " \n "}}, options)[0].answers.at(0).score, 1, 1e-12);
  options.null_score_diff_threshold = 5;
  const Answers squad = ask({{"Who?", " \n "}}, options)[0];
  EXPECT_EQ(squad.answers.at(0).answer, "");
  EXPECT_FALSE(squad.null_score_diff);
}

TEST_F(AnswererRules, InvalidTextCanBeReplaced) {
  AnswerOptions options;
  options.encode.invalid_utf8 = tokenizer::InvalidUtf8::kReplace;
  const Answers got = ask({{"Who \xFF baked?", "\xFF\xFE Ada baked the bread."}}, options)[0];
  EXPECT_EQ(got.error, "");
  ASSERT_EQ(got.answers.size(), 1U);
  const std::string replaced = tokenizer::replace_invalid_utf8("\xFF\xFE Ada baked the bread.");
  EXPECT_EQ(test::slice(replaced, got.answers[0].start, got.answers[0].end), got.answers[0].answer);
}

TEST_F(AnswererRules, OptionsOutOfRangeAreRefused) {
  const auto refused = [&](auto change) {
    AnswerOptions options;
    change(options);
    return test::error_of(ErrorCode::kInvalidArgument, [&] { ask({{"Who?", kContext}}, options); });
  };
  EXPECT_NE(refused([](auto& o) { o.top_k = 0; }).find("top_k is 0"), std::string::npos);
  EXPECT_NE(refused([](auto& o) { o.max_answer_len = 0; }), "");
  EXPECT_NE(refused([](auto& o) { o.n_best_size = 0; }), "");
  EXPECT_NE(refused([](auto& o) { o.doc_stride = -1; }), "");
  EXPECT_NE(refused([](auto& o) { o.doc_stride = 385; }).find("doc_stride is 385"),
            std::string::npos);
  // A stride that leaves no room beside the question is a matter of that question.
  std::string context;
  for (int i = 0; i < 100; ++i) context += kContext;
  AnswerOptions options;
  options.doc_stride = 384;
  EXPECT_NE(ask({{"Who?", context}}, options)[0].error, "");
}

TEST_F(AnswererRules, AnotherHeadIsRefused) {
  test::TempDir dir;
  LINNET_NEEDS(test::goldens());
  test::make_small_model(dir, "bert_mlm");
  const TaskModel other = test::load_head(dir.path(), HeadKind::kMaskedLm);
  EXPECT_EQ(test::error_of(ErrorCode::kInvalidArgument, [&] { QuestionAnswerer answerer(other); }),
            "question answering: the model was loaded with the head masked-lm, expected "
            "question-answering");
}

TEST_F(AnswererRules, SeveralQuestionsOnOneContext) {
  const std::string_view questions[] = {"Who baked?", "Where did Zoë eat?", ""};
  QuestionAnswerer answerer(model());
  const auto together = answerer.answer(questions, kContext);
  ASSERT_EQ(together.size(), 3U);
  for (std::size_t i = 0; i < 2; ++i) {
    const Answers alone = ask({{questions[i], kContext}})[0];
    EXPECT_EQ(together[i].answers.at(0).answer, alone.answers.at(0).answer);
    EXPECT_EQ(together[i].answers[0].score, alone.answers[0].score);
  }
  EXPECT_NE(together[2].error, "");
}

TEST_F(AnswererRules, ProgressIsToldAndCancelEndsTheCall) {
  const std::vector<Question> questions(300, {"Who baked?", kContext});
  std::vector<std::int64_t> done;
  std::int64_t all = 0;
  TaskCalls calls;
  calls.progress = [&](std::int64_t now, std::int64_t total) {
    done.push_back(now);
    all = total;
  };
  ask(questions, {}, calls);
  EXPECT_GT(done.size(), 1U);
  EXPECT_TRUE(std::is_sorted(done.begin(), done.end()));
  EXPECT_EQ(done.back(), all);
  int asked = 0;
  TaskCalls cancelling;
  cancelling.cancel = [&] { return ++asked == 3; };
  QuestionAnswerer answerer(model());
  test::error_of(ErrorCode::kCancelled, [&] { answerer.answer(questions, {}, cancelling); });
  EXPECT_EQ(asked, 3);
  EXPECT_EQ(answerer.answer({questions.data(), 1}).at(0).error, "");  // it goes on working
}

TEST(AnswererBits, DependOnTheQuestionAndItsContextAlone) {
  LINNET_NEEDS(test::goldens());
  test::TempDir dir;
  test::make_small_model(dir, "bert_qa");
  std::vector<std::string> contexts;
  for (std::size_t n = 1; n <= 9; ++n) {
    std::string text;
    for (std::size_t i = 0; i < n * n; ++i) text += "where people said they had more than 20. ";
    contexts.push_back(text);
  }
  AnswerOptions options;
  options.top_k = 4;
  std::vector<Question> questions;
  for (const std::string& context : contexts) questions.push_back({"who had it", context});
  const auto load = [&](kernels::Isa isa) {
    return test::load_head(dir.path(), HeadKind::kQuestionAnswering, isa);
  };
  std::vector<Answers> want;  // each alone, one thread, reference level
  const TaskModel reference = load(kernels::Isa::kReference);
  QuestionAnswerer alone(reference);
  for (const Question& q : questions) want.push_back(alone.answer({&q, 1}, options).at(0));
  for (const kernels::Isa isa : kernels::supported_isas()) {
    const TaskModel model = load(isa);
    for (const int threads : {1, 2, 4}) {
      QuestionAnswerer together(model, {.threads = threads, .tokens_per_pass = 128});
      const auto got = together.answer(questions, options);
      for (std::size_t i = 0; i < want.size(); ++i) {
        ASSERT_EQ(got[i].error, "");
        ASSERT_EQ(got[i].answers.size(), want[i].answers.size());
        for (std::size_t k = 0; k < want[i].answers.size(); ++k) {
          EXPECT_EQ(got[i].answers[k].score, want[i].answers[k].score) << i << " " << k;
          EXPECT_EQ(got[i].answers[k].byte_start, want[i].answers[k].byte_start);
        }
      }
    }
  }
}

}  // namespace
}  // namespace linnet
