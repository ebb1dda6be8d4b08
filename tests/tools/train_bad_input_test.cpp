// `linnet train` from outside: data that is broken or makes no sense, named before the first step.
#include <nlohmann/json.hpp>

#include "tests/tools/train_program.h"

namespace linnet::test {
namespace {

using Json = nlohmann::json;

class TrainBadInput : public TrainProgram {
 protected:
  std::string encoder_;

  void SetUp() override {
    TrainProgram::SetUp();
    if (!IsSkipped()) encoder_ = model_without_head(dir_);
  }
  Finished train_on(const std::string& file, const std::string& text, Words more = {}) const {
    dir_.write(file, text);
    more.insert(more.end(), {"--train-file", dir_.path(file), "--overwrite-output-dir"});
    Words words{LINNET_PROGRAM, "train",  "--model", encoder_,      "--output-dir",
                output("out"),  "--seed", "1",       "--max-steps", "1"};
    words.insert(words.end(), more.begin(), more.end());
    return run({.arguments = words});
  }
  void refuses(const std::string& file, const std::string& text, const std::string& message,
               const Words& more = {}) const {
    std::filesystem::remove_all(output("out"));
    const Finished done = train_on(file, text, more);
    EXPECT_EQ(done.exit_code, 1) << text;
    EXPECT_EQ(done.out, "");
    const std::size_t error = done.err.find("error: ");  // warnings may stand before it
    ASSERT_NE(error, std::string::npos) << done.err;
    expect_part(done.err.substr(error), message);
    EXPECT_FALSE(std::filesystem::exists(output("out") / "model.safetensors"));
  }
  void warns(const std::string& text, const std::string& message, const Words& more = {}) const {
    const Finished done = train_on("t.tsv", text, more);
    EXPECT_EQ(done.exit_code, 0) << done.err;
    expect_part(done.err, "warning: " + message);
  }
};

const std::string head("label\ttext\n");

TEST_F(TrainBadInput, LabelsOutOfRange) {
  refuses("t.tsv", head + "0\ta\n1\tb\n-5\tc\n",
          "t.tsv: line 4: label \"-5\", expected a class from 0 to 999999; --problem-type "
          "regression takes it as a number");
  refuses("t.tsv", head + "0\ta\n1000000\tb\n", "line 3: label \"1000000\", expected a class");
  EXPECT_EQ(train_on("t.tsv", head + "0\ta\n-5\tc\n", {"--problem-type", "regression"}).exit_code,
            0);
  refuses("t.tsv", head + "0\ta\nnan\tb\n", "line 3: label \"nan\"");
  refuses("t.tsv", head + "0\ta\nx\tb\n", "line 3: label \"x\", expected a number",
          {"--problem-type", "regression"});
  // Of the file to validate on: what the model will not have.
  dir_.write("dev.tsv", head + "1\ta\n7\tb\n");
  refuses("t.tsv", head + "0\ta\n1\tb\n",
          "dev.tsv: line 3: label \"7\", expected one of the model's 2",
          {"--validation-file", dir_.path("dev.tsv")});
  dir_.write("dev.conll", "the O\nfilm B-Y\n");
  refuses("t.conll", "the O\nfilm B-X\n", "dev.conll: line 1: tag \"B-Y\", expected one of",
          {"--task", "token-classification", "--validation-file", dir_.path("dev.conll")});
}

TEST_F(TrainBadInput, EmptyClassesAreNamed) {
  warns(head + "0\ta film\n2\tthe film\n", "class \"LABEL_1\" has no example");
  warns(head + "0\ta film\n1000\tthe film\n",
        "999 of 1001 classes have no example, the first is \"LABEL_1\"");
}

TEST_F(TrainBadInput, OneClassIsNotEnough) {
  refuses("t.tsv", head + "yes\ta\nyes\tb\n", "t.tsv: every label is \"yes\"");
  refuses("t.tsv", head + "1\ta\n1\tb\n", "t.tsv: every label is \"1\"");
  refuses("t.tsv", head + "-1\ta\n-1\tb\n", "t.tsv: every label is -1");
  refuses("t.jsonl", "{\"text\": \"a\", \"label\": []}\n", "no record has a label",
          {"--problem-type", "multi_label_classification"});
  refuses("t.conll", "a O\nfilm O\n", "every tag is \"O\"", {"--task", "token-classification"});
}

TEST_F(TrainBadInput, BrokenLinesStopTheRunOrArePassedOver) {
  const std::string text = head + "1\tthe film\nbroken\n0\ta film\n1\t\xff\n0\tlong\n";
  refuses("t.tsv", text, "t.tsv: line 3: ");
  refuses("t.tsv", text, "t.tsv: line 5: ", {"--max-errors", "1"});
  const Finished done = train_on("t.tsv", text, {"--max-errors", "2"});
  EXPECT_EQ(done.exit_code, 3);
  expect_part(done.err,
              "t.tsv: 2 records are passed over, the first: " + dir_.path("t.tsv") + ": line 3: ");
  const Json results = Json::parse(bytes_of(output("out") / "train_results.json"));
  EXPECT_EQ(results.at("train_samples"), 3);

  refuses("t.jsonl", "{\"text\": \"a\", \"label\": 0}\n{\"text\": \n", "t.jsonl: line 2: ");
  refuses("t.csv", "label,text\n1,\"open\n", "t.csv: line 2: ");
  refuses("t.tsv", "a\tb\n1\tx\n", "t.tsv");
  refuses("t.tsv", head, "t.tsv: has no record");
  refuses("t.txt", "1\tx\n", "expected a file named .tsv, .csv or .jsonl");
  refuses("t.conll", "the O\nfilm\n", "t.conll: line 2: ", {"--task", "token-classification"});
  refuses("t.json", "{\"data\": [{}", "t.json", {"--task", "question-answering"});
}

TEST_F(TrainBadInput, Lengths) {
  const std::string text = head + "1\tthe film\n0\ta film\n";
  warns(text, "the model has 40 positions: inputs have so many tokens at most, not 64",
        {"--max-seq-length", "64"});
  const Finished fits = train_on("t.tsv", text, {"--max-seq-length", "40"});
  EXPECT_EQ(fits.exit_code, 0);
  EXPECT_EQ(fits.err.find("positions"), std::string::npos) << fits.err;
  const Finished none = train_on("t.tsv", text, {"--max-seq-length", "2"});
  EXPECT_EQ(none.exit_code, 2);
  expect_part(none.err, "--max-seq-length");

  refuses("t.tsv", head + "1\t" + std::string((16 << 20) + 1, 'x') + "\n", "t.tsv: line 2: ");
  std::string question;
  for (int i = 0; i < 30; ++i) question += "film ";
  refuses("t.json",
          R"({"data": [{"id": "a7", "context": "the film is good", "question": ")" + question +
              R"(", "answers": {"text": ["film"], "answer_start": [4]}}]})",
          "t.json: question \"a7\": ",
          {"--task", "question-answering", "--max-seq-length", "16", "--doc-stride", "4"});
}

}  // namespace
}  // namespace linnet::test
