// `linnet classify`, `rerank` and `zero-shot` from outside.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/data.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace linnet::test {
namespace {

using Json = nlohmann::json;

std::vector<Json> lines_of(const std::string& text) {
  std::vector<Json> lines;
  for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
    lines.push_back(Json::parse(text.substr(at, text.find('\n', at) - at)));
  }
  return lines;
}

Finished linnet(const char* command, const char* model, std::vector<std::string> words,
                std::string input = {}) {
  std::vector<std::string> all{LINNET_PROGRAM, command, "--model", (data_dir() / model).string()};
  all.insert(all.end(), words.begin(), words.end());
  return run({.arguments = std::move(all), .input = std::move(input)});
}

constexpr const char* kSst2 = "checkpoints/minilm-sst2";
constexpr const char* kRanker = "goldens/ce_sigmoid";

TEST(Classify, ArgumentsAndAllLabels) {
  LINNET_NEEDS(data_dir() / kSst2);
  const Finished done = linnet("classify", kSst2, {"what a lovely film", "two hours lost"});
  ASSERT_EQ(done.exit_code, 0) << done.err;
  const auto lines = lines_of(done.out);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].at("labels")[0].at("label"), "positive");
  EXPECT_EQ(lines[1].at("labels")[0].at("label"), "negative");
  const Finished all = linnet("classify", kSst2, {"--top-k", "0", "--json", "what a lovely film"});
  const Json answer = Json::parse(all.out);
  EXPECT_EQ(answer.at("schema"), "linnet.classify.1");
  EXPECT_NE(all.out.find("negative"), std::string::npos);
}

TEST(Classify, WithoutAModelTheOneThatComesWithLinnet) {
  const Finished done =
      run({.arguments = {LINNET_PROGRAM, "classify", "What a lovely film.", "Two hours lost."}});
  ASSERT_EQ(done.exit_code, 0) << done.err;
  const auto lines = lines_of(done.out);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].at("labels")[0].at("label"), "positive");
  EXPECT_EQ(lines[1].at("labels")[0].at("label"), "negative");
}

TEST(Classify, TheDefaultModelIsAsGoodAsItsReadmeSays) {
  const auto dev = data_dir() / "glue/SST-2/dev.tsv";
  LINNET_NEEDS(dev);
  const Finished done = run(
      {.arguments = {LINNET_PROGRAM, "evaluate", "--model", LINNET_SOURCE_DIR "/weights/default",
                     "--task", "text-classification", "--file", dev.string(), "--json"}});
  ASSERT_EQ(done.exit_code, 0) << done.err;
  EXPECT_DOUBLE_EQ(Json::parse(done.out).at("accuracy"), 777.0 / 872) << done.out;
}

TEST(Classify, TheEnvironmentNamesTheDefaultModel) {
  const auto with_default = [](const std::string& directory) {
    return run({.arguments = {LINNET_PROGRAM, "classify", "what a lovely film"},
                .environment = {{"LINNET_DEFAULT_MODEL", directory}}});
  };
  const Finished missing = with_default("no-such-model");
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_NE(missing.err.find("no-such-model"), std::string::npos) << missing.err;
  LINNET_NEEDS(data_dir() / kSst2);
  const Finished named = with_default((data_dir() / kSst2).string());
  EXPECT_EQ(named.exit_code, 0) << named.err;
  EXPECT_EQ(named.out, linnet("classify", kSst2, {"what a lovely film"}).out);
}

TEST(Classify, BadLinesAreReportedAndTheRestGoesOn) {
  LINNET_NEEDS(data_dir() / kSst2);
  const Finished done =
      linnet("classify", kSst2, {"--input", "-", "--input-format", "jsonl"},
             "{\"text\": \"fine\"}\n{\"text\": [3]}\nnot json\n{\"text\": \"awful\"}\n");
  EXPECT_EQ(done.exit_code, 3);
  const auto lines = lines_of(done.out);
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_TRUE(lines[0].contains("labels"));
  EXPECT_TRUE(lines[1].contains("error"));
  EXPECT_TRUE(lines[2].contains("error"));
  EXPECT_TRUE(lines[3].contains("labels"));
  EXPECT_NE(done.err.find("2"), std::string::npos);
}

TEST(Classify, PairsOfColumns) {
  LINNET_NEEDS(data_dir() / kRanker);
  const Finished done = linnet(
      "classify", kRanker,
      {"--input", "-", "--input-format", "tsv", "--text-column", "a", "--text-pair-column", "b"},
      "a\tb\nenjoy the ride\twhole mess\nwhole mess\tenjoy the ride\n");
  ASSERT_EQ(done.exit_code, 0) << done.err;
  const auto lines = lines_of(done.out);
  const Finished ranked =
      linnet("rerank", kRanker, {"--json", "--query", "enjoy the ride", "whole mess"});
  EXPECT_EQ(lines[0].at("labels")[0].at("score"),
            Json::parse(ranked.out).at("results")[0].at("score"));
  EXPECT_NE(lines[0].at("labels")[0].at("score"), lines[1].at("labels")[0].at("score"));
}

TEST(Rerank, BestFirst) {
  LINNET_NEEDS(data_dir() / kRanker);
  const Finished done =
      linnet("rerank", kRanker, {"--json", "--query", "told in scattered fashion"},
             "a\nwhole mess\n\xFF\nenjoy the ride\n");
  EXPECT_EQ(done.exit_code, 3);
  const Json results = Json::parse(done.out).at("results");
  ASSERT_EQ(results.size(), 3u);
  EXPECT_GE(results[0].at("score"), results[1].at("score"));
  EXPECT_GE(results[1].at("score"), results[2].at("score"));
  for (const Json& one : results) EXPECT_NE(one.at("index"), 2);
}

TEST(ZeroShot, NeedsAModelThatKnowsEntailment) {
  LINNET_NEEDS(data_dir() / kSst2);
  const Finished done = linnet("zero-shot", kSst2, {"--candidate-labels", "a,b", "text"});
  EXPECT_EQ(done.exit_code, 1);
  EXPECT_NE(done.err.find("entail"), std::string::npos) << done.err;
  EXPECT_EQ(linnet("zero-shot", kSst2, {"--candidate-labels", " , ", "text"}).exit_code, 2);
  EXPECT_EQ(linnet("zero-shot", kSst2, {"text"}).exit_code, 2);
}

TEST(Classify, RefusesAModelWithoutTheHead) {
  LINNET_NEEDS(data_dir() / "goldens/bert_qa");
  const Finished done = linnet("classify", "goldens/bert_qa", {"text"});
  EXPECT_EQ(done.exit_code, 1);
  EXPECT_EQ(done.out, "");
  EXPECT_NE(done.err, "");
}

}  // namespace
}  // namespace linnet::test
