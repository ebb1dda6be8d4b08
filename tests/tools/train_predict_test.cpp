// `linnet train --do-predict` from outside: the files that run_glue, run_ner and run_qa leave.
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/tools/train_program.h"

namespace linnet::test {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

class TrainPredict : public TrainProgram {
 protected:
  std::string encoder_;

  void SetUp() override {
    TrainProgram::SetUp();
    if (!IsSkipped()) encoder_ = model_without_head(dir_);
  }
  Finished script(const char* name, const char* train, const char* test, Words more = {}) const {
    Words words{LINNET_PROGRAM,
                name,
                "--model_name_or_path",
                encoder_,
                "--do_train",
                "--do_predict",
                "--max_steps",
                "150",
                "--learning_rate",
                "3e-3",
                "--train_file",
                dir_.path(train),
                "--test_file",
                dir_.path(test),
                "--output_dir",
                dir_.path("out"),
                "--overwrite_output_dir"};
    words.insert(words.end(), more.begin(), more.end());
    return run({.arguments = words});
  }
  std::string left(const char* file) const { return bytes_of(output("out") / file); }
};

TEST_F(TrainPredict, ClassesOfTexts) {
  // Without labels, or with some that are to be found: the same.
  dir_.write("test.tsv",
             "sentence\nthe film is great\na film that was not fine\nthe film is fine\n");
  const Finished done = script("run_glue", "train.tsv", "test.tsv", {"--task_name", "sst2"});
  ASSERT_EQ(done.exit_code, 0) << done.err;
  EXPECT_EQ(left("predict_results_sst2.txt"), "index\tprediction\n0\t1\n1\t0\n2\t1\n");
  EXPECT_EQ(Json::parse(left("all_results.json")).at("predict_samples"), 3);
  EXPECT_FALSE(fs::exists(output("out") / "predict_results.json"));
  const std::string model = left("model.safetensors");

  dir_.write("test.tsv", "label\tsentence\n-1\tthe film is great\nx\ta film that was not fine\n");
  ASSERT_EQ(script("run_glue", "train.tsv", "test.tsv", {"--max_predict_samples", "1"}).exit_code,
            0);
  EXPECT_EQ(left("predict_results_None.txt"), "index\tprediction\n0\t1\n");
  EXPECT_TRUE(left("model.safetensors") == model);  // what is predicted changes nothing
  dir_.write("test.tsv", "sentence\tother\na film\n");
  const Finished broken = script("run_glue", "train.tsv", "test.tsv");
  EXPECT_EQ(broken.exit_code, 1);
  expect_part(broken.err, "test.tsv: line 2: ");
}

TEST_F(TrainPredict, NamesNumbersAndSeveralLabels) {
  dir_.write("names.tsv", "label\ttext\nyes\tthe film is good\nno\ta bad film\n");
  dir_.write("numbers.tsv", "label\ttext\n2.5\tthe film is good\n-0.5\ta bad film\n");
  dir_.write("lists.jsonl",
             "{\"text\": \"the film is good\", \"labels\": [\"film\", \"good\"]}\n"
             "{\"text\": \"a bad film\", \"labels\": [\"film\"]}\n");
  dir_.write("test.tsv", "text\nthe film is good\na bad film\n");
  ASSERT_EQ(script("train", "names.tsv", "test.tsv").exit_code, 0);
  EXPECT_EQ(left("predict_results_None.txt"), "index\tprediction\n0\tyes\n1\tno\n");
  ASSERT_EQ(script("train", "lists.jsonl", "test.tsv").exit_code, 0);
  EXPECT_EQ(left("predict_results_None.txt"), "index\tprediction\n0\tfilm,good\n1\tfilm\n");
  ASSERT_EQ(script("train", "numbers.tsv", "test.tsv", {"--task_name", "stsb"}).exit_code, 0);
  std::istringstream lines(left("predict_results_stsb.txt"));
  std::string line;
  std::getline(lines, line);
  for (const double wanted : {2.5, -0.5}) {
    std::getline(lines, line);
    EXPECT_NEAR(std::stod(line.substr(2)), wanted, 0.5) << line;
    EXPECT_EQ(line.size() - line.find('.'), 4u) << line;  // three places
  }
}

TEST_F(TrainPredict, TagsOfWords) {
  dir_.write("train.conll", "the O\nfilm B-X\nis O\ngood O\n\na O\nbad O\nfilm B-X\n");
  dir_.write("test.conll", "the O\nfilm B-X\n\na O\nfilm B-X\nis O\n");
  const Finished done = script("run_ner", "train.conll", "test.conll");
  ASSERT_EQ(done.exit_code, 0) << done.err;
  EXPECT_EQ(left("predictions.txt"), "O B-X\nO B-X O\n");
  const Json results = Json::parse(left("predict_results.json"));
  EXPECT_EQ(results.at("predict_f1"), 1);
  EXPECT_EQ(results.at("predict_samples"), 2);
  EXPECT_TRUE(results.contains("predict_loss"));
}

TEST_F(TrainPredict, AnswersToQuestions) {
  const auto squad = [](const char* version) {
    return std::string("{\"version\": \"") + version + R"(", "data": [{"paragraphs": [
  {"context": "the film is good", "qas": [
    {"id": "a", "question": "what is good", "answers": [{"text": "film", "answer_start": 4}]}]},
  {"context": "people said it was long", "qas": [
    {"id": "c", "question": "what was it", "answers": [{"text": "long", "answer_start": 19}]}]}]}]})";
  };
  dir_.write("one.json", squad("1.1"));
  dir_.write("two.json", squad("v2.0"));
  const Finished done =
      script("run_qa", "one.json", "two.json",
             {"--validation_file", dir_.path("one.json"), "--do_eval", "--n_best_size", "3",
              "--max_seq_length", "32", "--doc_stride", "4"});
  ASSERT_EQ(done.exit_code, 0) << done.err;
  const Json answers{{"a", "film"}, {"c", "long"}};
  EXPECT_EQ(Json::parse(left("eval_predictions.json")), answers);
  EXPECT_EQ(Json::parse(left("predict_predictions.json")), answers);
  const Json best = Json::parse(left("predict_nbest_predictions.json"));
  ASSERT_GE(best.at("a").size(), 3u);
  EXPECT_EQ(best["a"][0].at("text"), "film");
  EXPECT_GT(best["a"][0].at("probability"), 0.5);
  EXPECT_LE(Json::parse(left("eval_nbest_predictions.json")).at("a").size(), 3u);
  EXPECT_LT(Json::parse(left("predict_null_odds.json")).at("c"), 0);
  EXPECT_FALSE(fs::exists(output("out") / "eval_null_odds.json"));  // of version 2 alone
  EXPECT_EQ(Json::parse(left("predict_results.json")).at("test_exact"), 100);
}

TEST_F(TrainPredict, WhatCannotBeAnsweredIsRefused) {
  const auto refused = [&](const Words& more, const char* message) {
    const Finished done = train("refused", "1", more);
    EXPECT_EQ(done.exit_code, 2);
    expect_part(done.err, message);
  };
  refused({"--do-predict"}, "--test-file");
  refused({"--do-predict", "--test-file", dir_.path("train.tsv")}, "--do-train");
  refused({"--task", "language-modeling", "--test-file", dir_.path("train.tsv")}, "--test-file");
  // As with a validation file, --do-train alone does no more.
  ASSERT_EQ(train("out", "1", {"--do-train", "--test-file", dir_.path("none.tsv")}).exit_code, 0);
  EXPECT_FALSE(fs::exists(output("out") / "predict_results_None.txt"));
}

}  // namespace
}  // namespace linnet::test
