// `linnet evaluate` from outside: published predictions get their published scores, and a file that
// is not what it should be gets no score.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/support/data.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace linnet::test {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

class Evaluate : public testing::Test {
 protected:
  TempDir dir_;

  static Finished evaluate(std::vector<std::string> words) {
    std::vector<std::string> all{LINNET_PROGRAM, "evaluate"};
    all.insert(all.end(), words.begin(), words.end());
    return run({.arguments = std::move(all)});
  }
  static Json scores(std::vector<std::string> words) {
    words.emplace_back("--json");
    const Finished done = evaluate(std::move(words));
    EXPECT_EQ(done.exit_code, 0) << done.err;
    return done.exit_code == 0 ? Json::parse(done.out) : Json::object();
  }
  std::string write(const char* name, const std::string& text) const {
    dir_.write(name, text);
    return dir_.path(name);
  }
  Finished squad(const std::string& data, const std::string& predictions) const {
    return evaluate({"--task", "squad", "--file", write("data.json", data), "--predictions",
                     write("predictions.json", predictions)});
  }
  static void expect_refused(const Finished& done, const char* message) {
    EXPECT_EQ(done.exit_code, 1);
    EXPECT_EQ(done.out, "");
    EXPECT_NE(done.err.find(message), std::string::npos) << done.err;
  }
};

// A data set of one question for each list of answers, with ids q0, q1, ….
std::string squad_json(const std::vector<std::vector<std::string>>& answers,
                       const std::string& version) {
  Json questions = Json::array();
  for (std::size_t i = 0; i < answers.size(); ++i) {
    Json texts = Json::array();
    for (const std::string& text : answers[i]) {
      texts.push_back({{"text", text}, {"answer_start", 0}});
    }
    questions.push_back({{"id", "q" + std::to_string(i)}, {"question", "?"}, {"answers", texts}});
  }
  const Json paragraph = {{"context", "red fox"}, {"qas", questions}};
  Json data = {{"data", Json::array({{{"paragraphs", Json::array({paragraph})}}})}};
  if (!version.empty()) data["version"] = version;
  return data.dump();
}

double rounded(const Json& value) { return std::round(value.get<double>() * 1000) / 1000; }

TEST_F(Evaluate, PublishedPredictionsGetTheirScores) {
  const fs::path data = data_dir() / "squad";
  LINNET_NEEDS(data);
  const Json one = scores({"--task", "squad", "--file", data / "dev-v1.1.json", "--predictions",
                           data / "pred_dev-v1.1_BERT-ensemble.json"});
  EXPECT_EQ(rounded(one.at("exact_match")), 86.206);
  EXPECT_EQ(rounded(one.at("f1")), 92.196);
  EXPECT_EQ(one.at("total"), 10570);
  const Json two = scores({"--task", "squad", "--file", data / "dev-v2.0.json", "--predictions",
                           data / "pred_dev-v2.0_BERT-single.json"});
  EXPECT_EQ(rounded(two.at("exact")), 78.742);
  EXPECT_EQ(rounded(two.at("f1")), 81.775);
  EXPECT_EQ(two.at("total"), 11873);
  EXPECT_EQ(two.at("HasAns_total"), 5928);
  EXPECT_EQ(two.at("NoAns_total"), 5945);
  const auto weighted = [&](const char* score) {
    return (two.at(std::string("HasAns_") + score).get<double>() * 5928 +
            two.at(std::string("NoAns_") + score).get<double>() * 5945) /
           11873;
  };
  EXPECT_NEAR(weighted("f1"), two.at("f1"), 1e-9);
  EXPECT_NEAR(weighted("exact"), two.at("exact"), 1e-9);
}

TEST_F(Evaluate, TheVersionIsThatOfTheFile) {
  const std::string predictions = R"({"q0": "the fox", "q1": "", "other": "x"})";
  const Finished two = squad(squad_json({{"fox"}, {}}, "v2.0"), predictions);
  EXPECT_EQ(two.exit_code, 0) << two.err;
  EXPECT_NE(two.out.find("NoAns_exact"), std::string::npos) << two.out;
  EXPECT_EQ(squad(squad_json({{"fox"}, {}}, ""), predictions).out, two.out);
  const Finished one = squad(squad_json({{"fox"}, {"red"}}, "1.1"), predictions);
  EXPECT_NE(one.out.find("exact_match     50\n"), std::string::npos) << one.out << one.err;
  EXPECT_EQ(squad(squad_json({{"fox"}, {"red"}}, ""), predictions).out, one.out);
}

TEST_F(Evaluate, DamagedSquadFilesAreRefused) {
  const std::string good = squad_json({{"fox"}, {"red"}, {"dog"}}, "1.1");
  const std::string all = R"({"q0": "", "q1": "", "q2": ""})";
  ASSERT_EQ(squad(good, all).exit_code, 0);
  expect_refused(squad(good, R"({"q1": "red"})"), "2 of 3 questions of");
  expect_refused(squad(good, R"({"q1": "red"})"), "the first is \"q0\"");
  expect_refused(squad(good, "[]"), "expected an object");
  expect_refused(squad(good, R"({"q0": 1, "q1": "", "q2": ""})"), "expected a string");
  expect_refused(squad(good, R"({"q0": "")"), "predictions.json:1:");
  expect_refused(squad("{}", all), "data");
  expect_refused(squad(R"({"data": []})", all), "has no question");
  expect_refused(squad(squad_json({{"fox"}, {}, {"x"}}, "1.1"), all), "\"q1\" has no answer");
  expect_refused(squad(squad_json({{"fox"}}, "3.0"), all), "expected 1.1 or v2.0");
  std::string twice = good;
  twice.replace(twice.find("\"q1\""), 4, "\"q0\"");
  expect_refused(squad(twice, all), "second time");
  std::string unlabelled = good;
  unlabelled.replace(unlabelled.find("answers"), 7, "replies");
  expect_refused(squad(unlabelled, all), "answers");
}

// Known of minilm-sst2: 789 of 872 right.
TEST_F(Evaluate, AClassifierGetsItsKnownAccuracy) {
  const fs::path model = data_dir() / "checkpoints/minilm-sst2";
  const fs::path file = data_dir() / "glue/SST-2/dev.tsv";
  LINNET_NEEDS(model);
  LINNET_NEEDS(file);
  const Json found = scores({"--task", "text-classification", "--model", model, "--file", file});
  EXPECT_DOUBLE_EQ(found.at("accuracy"), 789.0 / 872);
  EXPECT_EQ(found.at("total"), 872);
  EXPECT_GT(found.at("matthews_correlation"), 0.8);
}

// A small model answers, and is scored against labels made of its own answers, some of them turned
// round: what the scores are is known.
class EvaluateTexts : public Evaluate {
 protected:
  static constexpr const char* kTexts[] = {"the film is good", "a bad film",  "he had more",
                                           "it was long",      "people said", "what it is"};

  void SetUp() override { LINNET_NEEDS(data_dir() / "goldens"); }

  // A golden with the tokenizer of another that has the same vocabulary.
  std::string model(const char* name) const {
    const fs::path goldens = data_dir() / "goldens", to = dir_.path(name);
    fs::create_directory(to);
    for (const char* file :
         {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"}) {
      fs::copy(goldens / "bert_seqcls_text" / file, to / file);
    }
    for (const char* file : {"config.json", "model.safetensors"}) {
      fs::copy(goldens / name / file, to / file);
    }
    return to;
  }
  // The best label and its score of each text.
  static std::vector<Json> answers(const std::string& model) {
    std::vector<std::string> words{LINNET_PROGRAM, "classify", "--model", model};
    words.insert(words.end(), std::begin(kTexts), std::end(kTexts));
    std::istringstream out(run({.arguments = std::move(words)}).out);
    std::vector<Json> all;
    for (std::string line; std::getline(out, line);) {
      all.push_back(Json::parse(line).at("labels").at(0));
    }
    return all;
  }
  std::string table(const std::vector<std::string>& labels) const {
    std::string rows = "sentence\tlabel\n";
    for (std::size_t i = 0; i < std::size(kTexts); ++i) {
      rows += std::string(kTexts[i]) + "\t" + labels.at(i) + "\n";
    }
    return write("rows.tsv", rows);
  }
};

TEST_F(EvaluateTexts, LabelsAreNamesOrPlaces) {
  const std::string folder = model("bert_seqcls_text");
  std::ifstream config(fs::path(folder) / "config.json");
  const Json names = Json::parse(config).at("id2label");
  std::vector<std::string> by_name, by_place;
  for (const Json& answer : answers(folder)) {
    by_name.push_back(answer.at("label"));
    for (const auto& [place, name] : names.items()) {
      if (name == answer.at("label")) by_place.push_back(place);
    }
  }
  ASSERT_EQ(by_name.size(), std::size(kTexts));
  ASSERT_EQ(by_place.size(), std::size(kTexts));
  by_place[1] = by_place[1] == "0" ? "1" : "0";
  const std::vector<std::string> task{"--task", "text-classification", "--model", folder, "--file"};
  const auto with = [&](const std::string& file) {
    std::vector<std::string> words = task;
    words.push_back(file);
    return words;
  };
  EXPECT_EQ(scores(with(table(by_name))).at("accuracy"), 1);
  EXPECT_DOUBLE_EQ(scores(with(table(by_place))).at("accuracy"), 5.0 / 6);

  by_name[2] = "99";
  expect_refused(evaluate(with(table(by_name))), "line 4: label \"99\"");
  expect_refused(evaluate(with(write("none.tsv", "sentence\ttitle\nx\ty\n"))), "label");
  expect_refused(evaluate(with(write("empty.tsv", "sentence\tlabel\n"))), "has no record");
  expect_refused(evaluate(with(write("rows.txt", "x\n"))), "expected a file named");
}

TEST_F(EvaluateTexts, QuantizedModelsAreScored) {
  const std::string folder = model("bert_seqcls_text"), small = dir_.path("int8");
  const Finished made = run({.arguments = {LINNET_PROGRAM, "quantize", folder, small}});
  ASSERT_EQ(made.exit_code, 0) << made.err;
  std::vector<std::string> labels;
  for (const Json& answer : answers(small)) labels.push_back(answer.at("label"));
  const Json found =
      scores({"--task", "text-classification", "--model", small, "--file", table(labels)});
  EXPECT_EQ(found.at("accuracy"), 1);
}

TEST_F(EvaluateTexts, RegressionsAreCorrelated) {
  const std::string folder = model("bert_seqcls_regression");
  std::vector<std::string> up, down;
  for (const Json& answer : answers(folder)) {
    up.push_back(std::to_string(1000 * answer.at("score").get<double>() + 3));
    down.push_back(std::to_string(-1000 * answer.at("score").get<double>()));
  }
  const auto found = [&](const std::vector<std::string>& labels) {
    return scores({"--task", "text-classification", "--model", folder, "--file", table(labels)});
  };
  EXPECT_NEAR(found(up).at("pearson"), 1, 1e-6);
  EXPECT_NEAR(found(up).at("spearman"), 1, 1e-12);
  EXPECT_NEAR(found(down).at("pearson"), -1, 1e-6);
  EXPECT_EQ(found(std::vector<std::string>(6, "1")).at("pearson"), nullptr);
  up[4] = "nan";
  expect_refused(
      evaluate({"--task", "text-classification", "--model", folder, "--file", table(up)}),
      "line 6: label \"nan\", expected a finite number");
}

// Labels made of the model's own scores; one text gets the label that it has least.
TEST_F(EvaluateTexts, SeveralLabelsAtOnceAreScored) {
  const std::string folder = model("bert_seqcls_multilabel");
  std::vector<std::string> words{LINNET_PROGRAM, "classify", "--model", folder, "--top-k", "4"};
  words.insert(words.end(), std::begin(kTexts), std::end(kTexts));
  std::istringstream out(run({.arguments = std::move(words)}).out);
  std::string rows, turned;
  for (std::string line; std::getline(out, line);) {
    Json labels = Json::array();
    const Json answer = Json::parse(line);
    for (const Json& label : answer.at("labels")) {
      if (label.at("score") > 0.5) labels.push_back(label.at("label"));
    }
    const std::string text =
        kTexts[static_cast<std::size_t>(std::count(rows.begin(), rows.end(), '\n'))];
    rows += Json({{"text", text}, {"labels", labels}}).dump() + "\n";
    if (turned.empty()) labels = Json::array({answer.at("labels").at(3).at("label")});
    turned += Json({{"text", text}, {"labels", labels}}).dump() + "\n";
  }
  const std::vector<std::string> task{"--task", "text-classification", "--model", folder, "--file"};
  const auto found = [&](const char* name, const std::string& text) {
    std::vector<std::string> all = task;
    all.push_back(write(name, text));
    return scores(all);
  };
  const Json right = found("right.jsonl", rows), wrong = found("wrong.jsonl", turned);
  EXPECT_EQ(right.at("accuracy"), 1);
  EXPECT_EQ(right.at("f1_micro"), 1);
  EXPECT_EQ(right.at("total"), 6);
  EXPECT_DOUBLE_EQ(wrong.at("accuracy"), 5.0 / 6);
  EXPECT_LT(wrong.at("f1_micro"), 1);
}

TEST_F(EvaluateTexts, TaggedWordsAreScored) {
  const std::string folder = model("bert_tokcls");
  const auto found = [&](const std::string& text) {
    return evaluate({"--task", "token-classification", "--model", folder, "--file",
                     write("words.conll", text), "--json"});
  };
  const Finished done = found("the LABEL_0\nfilm LABEL_1\n\nis 2\n");
  ASSERT_EQ(done.exit_code, 0) << done.err;
  const Json found_scores = Json::parse(done.out);
  EXPECT_EQ(found_scores.at("total"), 3);
  EXPECT_EQ(found_scores.at("entities"), 3);
  expect_refused(found("the LABEL_9\n"), "line 1: tag \"LABEL_9\"");
}

// Known of minilm-squad2 on the questions of its validation: EM 55.695, F1 56.725. Of every
// fortieth the model's own answers score as its recorded ones do.
TEST_F(Evaluate, AModelAnswersSquadAsRecorded) {
  const fs::path model = data_dir() / "checkpoints/minilm-squad2";
  const fs::path file = data_dir() / "squad/dev-v2.0.json";
  LINNET_NEEDS(model);
  LINNET_NEEDS(file);
  std::ifstream recorded_in(model / "predictions.json"), data_in(file);
  const Json recorded = Json::parse(recorded_in);
  const auto keep = [&](std::size_t step) {
    data_in.seekg(0);
    Json data = Json::parse(data_in);
    std::size_t seen = 0;
    for (Json& article : data.at("data")) {
      for (Json& paragraph : article.at("paragraphs")) {
        Json kept = Json::array();
        for (const Json& qa : paragraph.at("qas")) {
          if (recorded.contains(qa.at("id")) && seen++ % step == 0) kept.push_back(qa);
        }
        paragraph.at("qas") = kept;
      }
    }
    return write("kept.json", data.dump());
  };
  const auto recorded_scores = [&](const std::string& data) {
    return scores({"--task", "squad", "--file", data, "--predictions", model / "predictions.json"});
  };
  const Json all = recorded_scores(keep(1));
  EXPECT_EQ(rounded(all.at("exact")), 55.695);
  EXPECT_EQ(rounded(all.at("f1")), 56.725);
  EXPECT_EQ(rounded(all.at("HasAns_f1")), 24.046);

  const std::string some = keep(40);
  Json expected = recorded_scores(some);
  const auto answered = [&](const char* threshold) {
    return scores({"--task", "question-answering", "--model", model, "--file", some,
                   "--null-score-diff-threshold", threshold});
  };
  expected["task"] = "question-answering";
  EXPECT_EQ(expected.at("total"), 56);
  EXPECT_EQ(answered("0"), expected);
  EXPECT_EQ(answered("-1000").at("NoAns_exact"), 100);
  EXPECT_EQ(answered("1000").at("NoAns_exact"), 0);
}

TEST_F(Evaluate, WrongUseIsSaid) {
  const std::string folder = dir_.path("");
  EXPECT_EQ(evaluate({"--task", "text-classification", "--file", write("x.tsv", "")}).exit_code, 2);
  EXPECT_EQ(evaluate({"--task", "squad", "--file", write("x.json", "{}"), "--predictions",
                      dir_.path("x.json"), "--model", folder})
                .exit_code,
            2);
  EXPECT_EQ(evaluate({"--task", "question-answering", "--model", folder, "--file",
                      dir_.path("x.json"), "--predictions", dir_.path("x.json")})
                .exit_code,
            2);
  const Finished done = evaluate({"--task", "squad", "--file", write("x.json", "{}")});
  EXPECT_EQ(done.exit_code, 2);
  EXPECT_NE(done.err.find("--predictions"), std::string::npos) << done.err;
}

}  // namespace
}  // namespace linnet::test
