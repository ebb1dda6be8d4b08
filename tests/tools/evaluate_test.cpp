// `linnet evaluate` from outside: published predictions get their published scores, and a file that
// is not what it should be gets no score.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

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

TEST_F(Evaluate, WrongUseIsSaid) {
  const Finished done = evaluate({"--task", "squad", "--file", write("x.json", "{}")});
  EXPECT_EQ(done.exit_code, 2);
  EXPECT_NE(done.err.find("--predictions"), std::string::npos) << done.err;
}

}  // namespace
}  // namespace linnet::test
