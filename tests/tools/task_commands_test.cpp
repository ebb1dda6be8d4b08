// `linnet answer`, `tag` and `fill` from outside: where rows come from, how results are written.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/support/data.h"
#include "tests/support/golden.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace linnet::test {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

fs::path goldens() { return data_dir() / "goldens"; }

std::vector<Json> lines_of(const std::string& text) {
  std::vector<Json> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(Json::parse(line));
  return lines;
}

// A golden with the tokenizer of another that has the same vocabulary of 211 tokens.
class TaskCommands : public testing::Test {
 protected:
  TempDir dir_;

  void SetUp() override {
    LINNET_NEEDS(goldens());
    for (const char* name : {"bert_qa", "bert_tokcls", "bert_mlm"}) {
      const fs::path to = dir_.path(name);
      fs::create_directory(to);
      for (const char* file :
           {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"}) {
        fs::copy(goldens() / "bert_seqcls_text" / file, to / file);
      }
      for (const char* file : {"config.json", "model.safetensors"}) {
        fs::copy(goldens() / name / file, to / file);
      }
    }
  }

  Finished linnet(const std::string& command, const std::string& model,
                  std::vector<std::string> words, const std::string& input = "") const {
    std::vector<std::string> all{LINNET_PROGRAM, command, "--model", dir_.path(model)};
    all.insert(all.end(), words.begin(), words.end());
    return run({.arguments = std::move(all), .input = input});
  }
};

TEST_F(TaskCommands, AnswersAreTheSameFromEverySource) {
  const std::string context = "he had more than 20, \"people\" said";
  const Finished words = linnet("answer", "bert_qa", {"--context", context, "who had", "what"});
  ASSERT_EQ(words.exit_code, 0) << words.err;
  const auto rows = lines_of(words.out);
  ASSERT_EQ(rows.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(rows[i].at("index"), i);
    ASSERT_EQ(rows[i].at("answers").size(), 1U);
    const Json& a = rows[i].at("answers")[0];
    EXPECT_EQ(context.substr(a.at("start"),
                             a.at("end").get<std::size_t>() - a.at("start").get<std::size_t>()),
              a.at("answer"));
    EXPECT_GT(a.at("score"), 0);
  }
  dir_.write("context.txt", context);
  const std::string file = dir_.path("context.txt");
  EXPECT_EQ(linnet("answer", "bert_qa", {"--context-file", file}, "who had\nwhat\n").out,
            words.out);

  const std::string quoted = Json(context).dump();
  dir_.write("rows.jsonl", "{\"question\": \"who had\", \"context\": " + quoted +
                               "}\n{\"context\": " + quoted + ", \"question\": \"what\"}\n");
  EXPECT_EQ(linnet("answer", "bert_qa", {"-i", dir_.path("rows.jsonl")}).out, words.out);
  const std::string csv = "\"he had more than 20, \"\"people\"\" said\"";
  dir_.write("rows.csv", "text,q\n" + csv + ",who had\n" + csv + ",what\n");
  EXPECT_EQ(
      linnet("answer", "bert_qa",
             {"-i", dir_.path("rows.csv"), "--question-column", "q", "--context-column", "text"})
          .out,
      words.out);
}

TEST_F(TaskCommands, AnswersAsOneObjectAndAsATable) {
  const std::vector<std::string> words{"--context", "he had more", "who", "", "--top-k", "2"};
  std::vector<std::string> json = words, table = words;
  json.emplace_back("--json");
  table.insert(table.end(), {"--format", "table"});
  const Finished object = linnet("answer", "bert_qa", json);
  EXPECT_EQ(object.exit_code, 3);
  const Json document = Json::parse(object.out);
  EXPECT_EQ(document.at("schema"), "linnet.answer.1");
  ASSERT_EQ(document.at("results").size(), 2U);
  EXPECT_EQ(document.at("results")[0].size(), 2U);
  EXPECT_TRUE(document.at("results")[1].is_null());
  ASSERT_EQ(document.at("errors").size(), 1U);
  EXPECT_EQ(document.at("errors")[0].at("index"), 1);
  EXPECT_EQ(document.at("errors")[0].at("error"), "the question is empty");
  EXPECT_NE(object.err.find("text 2: the question is empty"), std::string::npos) << object.err;

  const Finished columns = linnet("answer", "bert_qa", table);
  EXPECT_EQ(columns.exit_code, 3);
  EXPECT_EQ(columns.out.find("index   score  start  end  answer\n"), 0U) << columns.out;
  EXPECT_EQ(std::count(columns.out.begin(), columns.out.end(), '\n'), 3);
}

TEST_F(TaskCommands, AnswersMayBeNone) {
  const auto first = [&](std::vector<std::string> words) {
    words.insert(words.end(), {"--context", "he had more", "who"});
    return lines_of(linnet("answer", "bert_qa", words).out).at(0).at("answers").at(0);
  };
  EXPECT_EQ(first({"--null-score-diff-threshold", "-1000"}).at("answer"), "");
  EXPECT_NE(first({"--null-score-diff-threshold", "1000"}).at("answer"), "");
  const Finished all =
      linnet("answer", "bert_qa",
             {"--handle-impossible-answer", "--top-k", "50", "--context", "he had more", "who"});
  EXPECT_NE(all.out.find("\"answer\": \"\""), std::string::npos) << all.out;
}

// Every fortieth question of the articles that the checkpoint was validated on.
TEST_F(TaskCommands, AnswersOfSquadAreTheRecordedOnes) {
  const fs::path model = data_dir() / "checkpoints/minilm-squad2";
  LINNET_NEEDS(model);
  LINNET_NEEDS(data_dir() / "squad/dev-v2.0.json");
  const auto json_of = [](const fs::path& file) {
    std::ifstream in(file);
    return Json::parse(in);
  };
  const Json recorded = json_of(model / "predictions.json");
  const Json squad = json_of(data_dir() / "squad/dev-v2.0.json");
  std::string rows;
  std::vector<std::string> ids;
  for (const Json& article : squad.at("data")) {
    for (const Json& paragraph : article.at("paragraphs")) {
      for (const Json& qa : paragraph.at("qas")) {
        if (!recorded.contains(qa.at("id"))) continue;
        ids.push_back(qa.at("id"));
        if (ids.size() % 40 != 0) continue;
        std::string question = qa.at("question");
        question.erase(0, question.find_first_not_of(' '));  // as expected.json says
        rows += Json{{"question", question}, {"context", paragraph.at("context")}}.dump() + '\n';
      }
    }
  }
  ASSERT_EQ(ids.size(), recorded.size());
  const Finished done =
      run({.arguments = {LINNET_PROGRAM, "answer", "--model", model.string(), "--input-format",
                         "jsonl", "--null-score-diff-threshold", "0", "--max-answer-len", "30",
                         "--max-seq-len", "384", "--doc-stride", "128"},
           .input = rows});
  ASSERT_EQ(done.exit_code, 0) << done.err;
  const auto answers = lines_of(done.out);
  ASSERT_EQ(answers.size(), ids.size() / 40);
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const std::string& id = ids[40 * i + 39];
    EXPECT_EQ(answers[i].at("answers").at(0).at("answer"), recorded.at(id)) << id;
  }
}

TEST_F(TaskCommands, UsageErrorsOfAnswer) {
  const std::string file = dir_.path("bert_qa/config.json");
  for (const auto& words :
       std::vector<std::vector<std::string>>{{"who"},
                                             {"--context", "a", "--context-file", file, "who"},
                                             {"--context", "a", "--top-k", "0", "who"},
                                             {"--context", "a", "--format", "xml", "who"},
                                             {"--context", "a", "--input", file, "who"}}) {
    const Finished done = linnet("answer", "bert_qa", words);
    EXPECT_EQ(done.exit_code, 2) << words[0];
    EXPECT_EQ(done.out, "");
  }
  // The model has another head.
  const Finished other = linnet("answer", "bert_mlm", {"--context", "a", "who"});
  EXPECT_EQ(other.exit_code, 1);
  EXPECT_NE(other.err.find("qa_outputs.weight"), std::string::npos) << other.err;
}

TEST_F(TaskCommands, TagsHaveTheKeysOfTheirStrategy) {
  const Finished none = linnet("tag", "bert_tokcls", {"he had been there"});
  ASSERT_EQ(none.exit_code, 0) << none.err;
  const Json entities = lines_of(none.out).at(0).at("entities");
  ASSERT_EQ(entities.size(), 4U);  // no label is O
  EXPECT_EQ(entities[1].at("word"), "had");
  EXPECT_EQ(entities[1].at("index"), 2);
  EXPECT_EQ(entities[1].at("start"), 3);
  EXPECT_EQ(entities[1].at("end"), 6);
  EXPECT_TRUE(entities[1].contains("entity"));
  const std::string label = entities[1].at("entity");
  const Json others =
      lines_of(linnet("tag", "bert_tokcls", {"--ignore-labels", label, "he had been there"}).out)
          .at(0)
          .at("entities");
  for (const Json& e : others) {
    EXPECT_NE(e.at("entity"), label);
  }
  const Finished grouped =
      linnet("tag", "bert_tokcls", {"--aggregation-strategy", "simple", "he had been there"});
  const Json group = lines_of(grouped.out).at(0).at("entities").at(0);
  EXPECT_TRUE(group.contains("entity_group"));
  EXPECT_FALSE(group.contains("index"));
}

TEST_F(TaskCommands, RowsThatFailAreReportedAndTheOthersGoOn) {
  const Finished tags = linnet("tag", "bert_tokcls", {}, "he had\nbad \xFF byte\n\nhe had\n");
  EXPECT_EQ(tags.exit_code, 3);
  const auto rows = lines_of(tags.out);
  ASSERT_EQ(rows.size(), 4U);
  EXPECT_EQ(rows[0].at("entities"), rows[3].at("entities"));
  EXPECT_TRUE(rows[1].contains("error"));
  EXPECT_TRUE(rows[2].at("entities").empty());
  EXPECT_NE(tags.err.find("line 2"), std::string::npos) << tags.err;
  EXPECT_EQ(
      linnet("tag", "bert_tokcls", {"--invalid-utf8", "replace"}, "bad \xFF byte\n").exit_code, 0);

  const Finished fills = linnet("fill", "bert_mlm", {}, "he [MASK]\nnone\n");
  EXPECT_EQ(fills.exit_code, 3);
  EXPECT_EQ(lines_of(fills.out).at(1).at("error"), "the text has no mask token");
  EXPECT_EQ(linnet("tag", "bert_tokcls", {"--stride", "5", "he"}).exit_code, 1);
}

TEST_F(TaskCommands, FillsAreAListForEachMask) {
  const Finished one = linnet("fill", "bert_mlm", {"--top-k", "3", "he had [MASK]."});
  ASSERT_EQ(one.exit_code, 0) << one.err;
  const Json fills = lines_of(one.out).at(0).at("fills");
  ASSERT_EQ(fills.size(), 3U);
  for (const char* key : {"score", "token", "token_str", "sequence"}) {
    EXPECT_TRUE(fills[0].contains(key)) << key;
  }
  const Json two =
      lines_of(linnet("fill", "bert_mlm", {"[MASK] had [MASK]"}).out).at(0).at("fills");
  ASSERT_EQ(two.size(), 2U);
  EXPECT_EQ(two[0].size(), 5U);

  const Finished targets =
      linnet("fill", "bert_mlm",
             {"--targets", "world", "--targets", "worldly", "--targets", "made", "a [MASK]"});
  EXPECT_EQ(targets.exit_code, 0);
  EXPECT_EQ(lines_of(targets.out).at(0).at("fills").size(), 2U);
  EXPECT_NE(targets.err.find("\"worldly\" is not in the vocabulary, taking \"world\""),
            std::string::npos)
      << targets.err;
  EXPECT_EQ(linnet("fill", "bert_mlm", {"--targets", " ", "a [MASK]"}).exit_code, 1);
}

TEST_F(TaskCommands, ByTheNameOfTheTask) {
  const std::string fill = linnet("fill", "bert_mlm", {"he had [MASK]."}).out;
  EXPECT_NE(fill, "");
  EXPECT_EQ(linnet("run", "bert_mlm", {"--task", "fill-mask", "he had [MASK]."}).out, fill);
  EXPECT_EQ(linnet("pipeline", "bert_mlm", {"he had [MASK].", "--task=fill-mask"}).out, fill);
}

TEST_F(TaskCommands, ForwardInInt8) {
  const fs::path golden = goldens() / "int8_bert_seqcls", io = golden / "io.safetensors";
  const auto forward = [&](const char* dtype) {
    const std::string out = dir_.path(dtype);
    const Finished done =
        run({.arguments = {LINNET_PROGRAM, "forward", "--model", golden.string(), "--inputs",
                           io.string(), "--output", out, "--dtype", dtype}});
    EXPECT_EQ(done.exit_code, 0) << done.err;
    return GoldenFile(out).values<float>("b0.logits");
  };
  const std::vector<float> fp32 = forward("float32"), int8 = forward("int8");
  const auto want = GoldenFile(io).values<double>("b0.int8_reference.blocks.logits");
  ASSERT_EQ(int8.size(), want.size());
  for (std::size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(int8[i], want[i], 1e-4);
  EXPECT_NE(int8, fp32);
}

TEST_F(TaskCommands, LongInputsComeOutInOrder) {
  std::string input;
  for (int i = 0; i < 5000; ++i) input += i % 7 == 3 ? "he had been there\n" : "the world\n";
  const Finished done =
      linnet("tag", "bert_tokcls", {"--output", dir_.path("tags.jsonl"), "--threads", "2"}, input);
  ASSERT_EQ(done.exit_code, 0) << done.err;
  EXPECT_EQ(done.out, "");
  const auto rows = lines_of(dir_.read("tags.jsonl"));
  ASSERT_EQ(rows.size(), 5000U);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    ASSERT_EQ(rows[i].at("index"), i);
    ASSERT_EQ(rows[i].at("entities"), rows[i % 7 == 3 ? 3 : 0].at("entities"));
  }
  const std::string out = dir_.path("tags.jsonl");
  EXPECT_EQ(linnet("tag", "bert_tokcls", {"--output", out, "he"}).exit_code, 1);
  EXPECT_EQ(linnet("tag", "bert_tokcls", {"--output", out, "--force", "he"}).exit_code, 0);
}

}  // namespace
}  // namespace linnet::test
