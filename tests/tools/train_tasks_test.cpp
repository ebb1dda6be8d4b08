// `linnet train` of the tasks beside plain classification: what they learn, how it is scored, and
// which data is refused.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/support/data.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_dir.h"
#include "tools/evaluate/evaluate.h"
#include "tools/train/train.h"

namespace linnet::tools {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

class TrainTasks : public testing::Test {
 protected:
  const fs::path model = test::data_dir() / "goldens/bert_seqcls_text";
  const test::TempDir dir;

  void SetUp() override { LINNET_NEEDS(model); }

  // An encoder without a head, which `linnet train` adds, and a tokenizer with its vocabulary.
  std::string base() const {
    const fs::path to = dir.path("base");
    fs::create_directories(to);
    const auto copy = [&](const fs::path& from) {
      fs::copy(from, to / from.filename(), fs::copy_options::overwrite_existing);
    };
    for (const char* file : {"tokenizer.json", "tokenizer_config.json", "vocab.txt"}) {
      copy(model / file);
    }
    for (const char* file : {"config.json", "model.safetensors"}) {
      copy(test::data_dir() / "goldens/bert_base" / file);
    }
    return to;
  }
  TrainOptions options(TrainTask task, const char* data) const {
    TrainOptions o;
    o.model = base();
    o.data.task = task;
    o.data.train_file = o.data.validation_file = dir.path(data);
    o.data.max_length = 40;
    o.run.output_dir = dir.path("out");
    o.directory = UsedDirectory::kOverwrite;
    o.evaluate_at_end = true;
    o.load.isa = kernels::supported_isas().back();
    o.trainer.max_steps = 200;
    o.trainer.learning_rate = 3e-3;
    o.trainer.optimizer.max_grad_norm = 1;
    return o;
  }
  static TrainResult train(const TrainOptions& o) {
    return tools::train(o, io::ShowProgress::kNo, cli::Log());
  }
  Json results() const { return json("out/eval_results.json"); }
  Json json(const char* name) const {
    std::ifstream in(dir.path(name));
    return Json::parse(in);
  }
  std::string refused(const TrainOptions& o) const {
    return test::error_of(ErrorCode::kFormat, [&] { train(o); });
  }
  static void expect_part(const std::string& text, const std::string& part) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  }
};

TEST_F(TrainTasks, TagsAreLearnt) {
  dir.write(
      "words.conll",
      "-DOCSTART- -X- O\n\nthe DT O\nfilm NN B-THING\nis VB O\ngood JJ B-KIND\n\n"
      "a DT O\nbad JJ B-KIND\nfilm NN B-THING\n\nfilm NN B-THING\nwas VB O\nlong JJ B-KIND\n");
  const TrainOptions o = options(TrainTask::kTokenClassification, "words.conll");
  train(o);
  const Json found = results();
  EXPECT_EQ(found.at("eval_f1"), 1) << found;
  EXPECT_EQ(found.at("eval_entities"), 6);
  EXPECT_EQ(found.at("eval_total"), 10);
  EXPECT_EQ(found.at("eval_samples"), 3);
  EXPECT_LT(found.at("eval_loss"), 0.1);
  const Json config = json("out/config.json");
  EXPECT_EQ(config.at("architectures"), Json({"BertForTokenClassification"}));
  EXPECT_EQ(config.at("id2label"), Json({{"0", "B-KIND"}, {"1", "B-THING"}, {"2", "O"}}));
  EXPECT_FALSE(config.contains("problem_type"));

  // The program's own evaluation says the same; words beyond the limit are O.
  LoadOptions load{.isa = kernels::supported_isas().back(), .head = HeadKind::kTokenClassification};
  const TaskModel trained = load_task_model(dir.path("out"), load);
  const auto words =
      std::make_shared<const TaggedWords>(read_tagged(dir.path("words.conll"), {}, 9));
  const cli::Log log;
  io::Progress progress(io::ShowProgress::kNo, "tokens", log);
  const EvaluationRun run{trained, {}, {}, progress};
  EXPECT_EQ(score_tags(run, words, std::nullopt).find("f1")->value, 1);
  const Scores cut = score_tags(run, words, 4);  // two words a sentence
  EXPECT_EQ(cut.find("total")->value, 10);
  EXPECT_EQ(cut.find("precision")->value, 1);
  EXPECT_EQ(cut.find("recall")->value, 0.5);
}

TEST_F(TrainTasks, TagsInObjectsAreTheSame) {
  dir.write("words.conll", "the O\nfilm B-X\n\na O\nbad O\n");
  dir.write("words.jsonl",
            "{\"tokens\": [\"the\", \"film\"], \"ner_tags\": [\"O\", \"B-X\"]}\n"
            "{\"tokens\": [\"a\", \"bad\"], \"ner_tags\": [\"O\", \"O\"]}\n");
  const TaggedWords columns = read_tagged(dir.path("words.conll"), {}, 9);
  const TaggedWords objects = read_tagged(dir.path("words.jsonl"), {}, 9);
  ASSERT_EQ(columns.sentences.size(), 2u);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(columns.sentences[i].words, objects.sentences[i].words);
    EXPECT_EQ(columns.sentences[i].tags, objects.sentences[i].tags);
  }
  EXPECT_EQ(columns.sentences[1].line, 4);
  EXPECT_EQ(read_tagged(dir.path("words.conll"), {}, 1).sentences.size(), 1u);
}

TEST_F(TrainTasks, DamagedTagsAreNamed) {
  const TrainOptions o = options(TrainTask::kTokenClassification, "words.conll");
  const auto columns = [&](const char* text) {
    dir.write("words.conll", text);
    return refused(o);
  };
  expect_part(columns("the O\nfilm\n"), "words.conll: line 2: found 1 columns, expected 2");
  expect_part(columns("the\n"), "line 1: found 1 columns, expected a word and its tag");
  expect_part(columns("the DT O\nfilm O\n"), "line 2: found 2 columns, expected 3");
  expect_part(columns("the O\n\xff O\n"), "line 2: invalid UTF-8");
  expect_part(columns("\n\n"), "has no sentence");
  expect_part(columns("the O\nfilm O\n"), "every tag is \"O\"");
  TrainOptions objects = o;
  objects.data.train_file = dir.path("words.jsonl");
  const auto object = [&](const char* text) {
    dir.write("words.jsonl", text);
    return refused(objects);
  };
  expect_part(object("{\"tokens\": [\"a\"], \"tags\": []}\n"), "line 1: found 0 tags for 1 words");
  expect_part(object("{\"tokens\": [[]], \"tags\": []}\n"), "line 1");
  expect_part(object("{\"words\": [\"a\"]}\n"), "ner_tags");
}

constexpr const char* kQuestions = R"({"version": "v2.0", "data": [{"paragraphs": [
  {"context": "the film is good", "qas": [
    {"id": "a", "question": "what is good", "answers": [{"text": "film", "answer_start": 4}]},
    {"id": "b", "question": "is the film bad", "answers": []}]},
  {"context": "people said it was long", "qas": [
    {"id": "c", "question": "what was it", "answers": [{"text": "long", "answer_start": 19}]}]}]}]})";

TEST_F(TrainTasks, QuestionsAreLearnt) {
  dir.write("squad.json", kQuestions);
  TrainOptions o = options(TrainTask::kQuestionAnswering, "squad.json");
  o.data.max_length = 24;
  o.data.doc_stride = 4;
  train(o);
  const Json found = results();
  EXPECT_EQ(found.at("eval_exact"), 100) << found;
  EXPECT_EQ(found.at("eval_HasAns_f1"), 100);
  EXPECT_EQ(found.at("eval_NoAns_total"), 1);
  EXPECT_EQ(found.at("eval_samples"), 3);
  EXPECT_EQ(json("out/config.json").at("architectures"), Json({"BertForQuestionAnswering"}));
  EXPECT_EQ(json("out/eval_predictions.json"), Json({{"a", "film"}, {"b", ""}, {"c", "long"}}));

  const SquadFile data = read_squad(dir.path("squad.json"));
  const LoadOptions load{.isa = kernels::supported_isas().back(),
                         .head = HeadKind::kQuestionAnswering};
  const TaskModel trained = load_task_model(dir.path("out"), load);
  const cli::Log log;
  io::Progress progress(io::ShowProgress::kNo, "questions", log);
  AnswerOptions answer;
  answer.max_seq_len = 24;
  answer.doc_stride = 4;
  answer.max_answer_len = 30;
  answer.align_to_words = false;
  answer.null_score_diff_threshold = 0;
  const Scores same = score_questions({trained, {}, {}, progress}, data, answer);
  EXPECT_EQ(same.find("exact")->value, 100);
}

// As the data sets of transformers' examples have them.
TEST_F(TrainTasks, QuestionsMayLieFlat) {
  dir.write("squad.json", R"({"data": [
    {"id": "a", "context": "ein \u00e4lterer film", "question": "what",
     "answers": {"text": ["film"], "answer_start": [12]}}]})");
  const SquadFile data = read_squad(dir.path("squad.json"));
  ASSERT_EQ(data.questions.size(), 1u);
  EXPECT_EQ(data.version, SquadVersion::kOne);
  EXPECT_EQ(data.questions[0].answers[0], "film");
  TrainOptions o = options(TrainTask::kQuestionAnswering, "squad.json");
  o.trainer.max_steps = 1;
  train(o);
  EXPECT_TRUE(results().contains("eval_exact_match"));
}

TEST_F(TrainTasks, AnswersThatDoNotStandThereAreListed) {
  std::string text = kQuestions;
  text.replace(text.find("\"answer_start\": 4"), 17, "\"answer_start\": 5");
  dir.write("squad.json", text);
  const TrainOptions o = options(TrainTask::kQuestionAnswering, "squad.json");
  expect_part(refused(o),
              "1 answers do not stand at their answer_start, the first is that of "
              "question \"a\"");
  text.replace(text.find("\"answer_start\": 5"), 17, "\"answer_start\": 99");
  dir.write("squad.json", text);
  expect_part(refused(o), "question \"a\"");
}

TEST_F(TrainTasks, SeveralLabelsAtOnceAreLearnt) {
  dir.write("labels.jsonl",
            "{\"text\": \"the film is good\", \"labels\": [\"film\", \"good\"]}\n"
            "{\"text\": \"a bad film\", \"labels\": [\"film\"]}\n"
            "{\"text\": \"it was good\", \"labels\": [\"good\"]}\n"
            "{\"text\": \"people said\", \"labels\": []}\n");
  const TrainOptions o = options(TrainTask::kTextClassification, "labels.jsonl");
  train(o);
  const Json found = results();
  EXPECT_EQ(found.at("eval_accuracy"), 1) << found;
  EXPECT_EQ(found.at("eval_f1_micro"), 1);
  EXPECT_EQ(found.at("eval_f1_macro"), 1);
  const Json config = json("out/config.json");
  EXPECT_EQ(config.at("problem_type"), "multi_label_classification");
  EXPECT_EQ(config.at("id2label"), Json({{"0", "film"}, {"1", "good"}}));

  // In a table, names between commas; an unknown one is named with its line.
  dir.write("labels.tsv", "text\tlabel\nthe film is good\tfilm, good\na bad film\tfilm\nit\t\n");
  const LabelledTexts table = read_labelled(dir.path("labels.tsv"), {}, 9);
  EXPECT_EQ(label_sets(table, {"film", "good"}), (std::vector<std::int64_t>{1, 1, 1, 0, 0, 0}));
  expect_part(test::error_of(ErrorCode::kFormat, [&] { label_sets(table, {"film"}); }),
              "line 2: label \"good\"");
  const LabelSet set(table, CommonConfig{}, ProblemType::kMultiLabel);
  EXPECT_EQ(set.names, (std::vector<std::string>{"film", "good"}));
}

TEST_F(TrainTasks, RegressionIsLearnt) {
  dir.write("values.tsv",
            "label\ttext\n1.5\tthe film is good\n-0.5\ta bad film\n0.25\tit was long\n");
  train(options(TrainTask::kTextClassification, "values.tsv"));
  EXPECT_GT(results().at("eval_pearson"), 0.95) << results();
  EXPECT_EQ(json("out/config.json").at("problem_type"), "regression");
}

TEST_F(TrainTasks, BrokenRecordsArePassedOverWhenAsked) {
  dir.write("rows.tsv", "label\ttext\n1\tthe film is good\nbroken\n0\ta bad film\nnan\tlong\n");
  TrainOptions o = options(TrainTask::kTextClassification, "rows.tsv");
  o.trainer.max_steps = 1;
  o.data.max_errors = 1;
  expect_part(refused(o), "rows.tsv: line 5: label \"nan\"");
  o.data.max_errors = 2;
  EXPECT_EQ(train(o).broken, 4);  // of both files
  EXPECT_EQ(json("out/train_results.json").at("train_samples"), 2);
}

// -1 says that nobody gave a label; where all others are integers it is no number.
TEST_F(TrainTasks, UnlabelledRecordsAreLeftOut) {
  const auto read = [&](const char* rows) {
    dir.write("labels.tsv", std::string("label\ttext\n") + rows);
    return read_labelled(dir.path("labels.tsv"), {}, 9);
  };
  LabelledTexts texts = read("0\ta\n-1\tb\n1\tc\n");
  EXPECT_EQ(drop_unlabelled(texts), 1);
  EXPECT_EQ(texts.first, (std::vector<std::string>{"a", "c"}));
  EXPECT_EQ(texts.lines, (std::vector<std::int64_t>{2, 4}));
  texts = read("0.5\ta\n-1\tb\n");
  EXPECT_EQ(drop_unlabelled(texts), 0);
  texts = read("-1\ta\n-1\tb\n");
  expect_part(test::error_of(ErrorCode::kFormat, [&] { drop_unlabelled(texts); }),
              "every label is -1");
}

}  // namespace
}  // namespace linnet::tools
