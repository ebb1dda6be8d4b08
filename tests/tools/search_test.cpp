// `linnet search`: hits, and the file of --index, which must never give other hits than no file.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <span>

#include "tests/support/data.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "weights/directory.h"
#include "weights/safetensors.h"

namespace linnet::test {
namespace {

using Json = nlohmann::json;

// A small sentence model with two prompts; 40 positions.
std::filesystem::path model() { return data_dir() / "goldens/st_prompts"; }

class Search : public testing::Test {
 protected:
  TempDir dir_;

  void SetUp() override {
    LINNET_NEEDS(model());
    std::string longest = "enjoy";
    for (int i = 0; i < 60; ++i) longest += " the ride";
    dir_.write("texts.txt", "whole mess\n" + longest + "\n\na ride [SEP] a mess [MASK]\nbold\n");
  }

  Finished search(std::vector<std::string> words) const {
    std::vector<std::string> all{LINNET_PROGRAM,   "search",  "--model",
                                 model().string(), "--input", dir_.path("texts.txt"),
                                 "--json"};
    all.insert(all.end(), words.begin(), words.end());
    return run({.arguments = std::move(all)});
  }

  // The same search without an index, making one, and with the one that was made.
  void expect_index_changes_nothing(std::vector<std::string> words) const {
    const Finished without = search(words);
    words.insert(words.end(), {"--index", dir_.path("index")});
    const Finished first = search(words), second = search(words);
    EXPECT_EQ(first.out, without.out);
    EXPECT_EQ(second.out, without.out);
    EXPECT_EQ(first.exit_code, without.exit_code);
    EXPECT_EQ(second.exit_code, without.exit_code) << "a text that failed is forgotten";
    EXPECT_NE(without.out, "") << without.err;
  }
};

TEST_F(Search, FindsTheTextItselfFirst) {
  for (const char* text : {"whole mess", "bold"}) {
    const Finished done = search({"--top-k", "2", text});
    ASSERT_EQ(done.exit_code, 0) << done.err;
    const Json answer = Json::parse(done.out);
    EXPECT_EQ(answer.at("query"), text);
    ASSERT_EQ(answer.at("hits").size(), 2U);
    EXPECT_EQ(answer.at("hits")[0].at("text"), text);
    EXPECT_NEAR(answer.at("hits")[0].at("score").get<double>(), 1, 1e-5);
    EXPECT_GE(answer.at("hits")[0].at("score"), answer.at("hits")[1].at("score"));
  }
  // The line is that of the file, where the third is empty.
  EXPECT_EQ(Json::parse(search({"bold"}).out).at("hits")[0].at("line"), 5);
}

TEST_F(Search, AnIndexIsOnlyUsedWithTheOptionsItWasMadeWith) {
  const std::vector<std::vector<std::string>> searches{
      {"ride"},
      {"--no-truncate", "ride"},  // leaves the long line out: exit code 3
      {"ride"},                   // and here it must be back
      {"--no-parse-special", "ride"},
      {"--prompt", "query", "ride"},  // a text
      {"--prompt-name", "query", "ride"},
      {"--prompt-name", "passage", "ride"},
      {"--max-length", "6", "ride"},
      {"--prompt", std::string(250, 'a') + "b", "--max-length", "40", "ride"},
      {"--prompt", std::string(250, 'a') + "c", "--max-length", "40", "ride"},
  };
  for (const auto& words : searches) {
    SCOPED_TRACE(words[0]);
    expect_index_changes_nothing(words);
  }
}

TEST_F(Search, AnIndexOfOtherTextsIsMadeAnew) {
  expect_index_changes_nothing({"ride"});
  dir_.write("texts.txt", "whole mess\na longer ride\n");
  expect_index_changes_nothing({"ride"});
}

TEST_F(Search, AFileThatIsNoIndexStays) {
  for (const std::string& content :
       {std::string("some text\n"), std::string(), std::string("\x02\0\0\0\0\0\0\0{}", 10)}) {
    dir_.write("index", content);
    const Finished done = search({"--index", dir_.path("index"), "ride"});
    EXPECT_EQ(done.exit_code, 1);
    EXPECT_EQ(done.out, "");
    EXPECT_EQ(dir_.read("index"), content);
  }
}

// A stored index that was tampered with: right key, other content.
TEST_F(Search, RefusesAnIndexThatDoesNotFitItsTexts) {
  using namespace std::string_literals;
  ASSERT_EQ(search({"--index", dir_.path("index"), "ride"}).exit_code, 0);
  const std::string good = dir_.read("index");
  const weights::Directory folder(dir_.path());
  const weights::Safetensors file(*folder.open("index", weights::FileAccess::kRead));
  const auto& rows = *file.find("embeddings");
  const auto write = [&](std::vector<std::int64_t> lines, std::int64_t dimensions) {
    const std::vector<float> values(lines.size() * static_cast<std::size_t>(dimensions), 0.5f);
    const auto n = static_cast<std::int64_t>(lines.size());
    const weights::TensorToWrite tensors[] = {
        {"embeddings", weights::DType::kF32, {n, dimensions}, std::as_bytes(std::span(values))},
        {"lines", weights::DType::kI64, {n}, std::as_bytes(std::span(lines))}};
    weights::write_safetensors(dir_.path("index"), tensors, file.metadata());
  };
  const std::int64_t D = rows.shape[1];
  const std::vector<std::pair<std::vector<std::int64_t>, std::int64_t>> bad{
      {{1, 2, 4, 1'000'000'000}, D}, {{-1, 2, 4, 5}, D},    {{1, 2, 3, 4}, D}, {{1, 4, 2, 5}, D},
      {{1, 2, 4, 5}, D - 1},         {{1, 2, 4, 5}, D + 64}};
  for (const auto& [lines, dimensions] : bad) {
    write(lines, dimensions);
    const Finished done = search({"--index", dir_.path("index"), "ride"});
    EXPECT_EQ(done.exit_code, 1) << lines.back() << " " << dimensions;
    EXPECT_NE(done.err.find("index"), std::string::npos) << done.err;
    EXPECT_EQ(done.out, "");
  }
  for (std::size_t n = 0; n < good.size(); n += 37) {
    dir_.write("index", good.substr(0, n));
    EXPECT_EQ(search({"--index", dir_.path("index"), "ride"}).exit_code, 1) << n;
  }
}

TEST_F(Search, QueriesMayHaveAPromptOfTheirOwn) {
  const std::string plain = search({"--prompt", "passage: ", "ride"}).out;
  const std::string own =
      search({"--prompt", "passage: ", "--query-prompt-name", "query", "ride"}).out;
  EXPECT_NE(own, plain);
  EXPECT_EQ(own, search({"--prompt-name", "passage", "--query-prompt-name", "query", "ride"}).out);
}

}  // namespace
}  // namespace linnet::test
