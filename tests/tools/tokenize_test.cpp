// `linnet tokenize` and `linnet decode` against recorded outputs of the reference tokenizers.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/support/data.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace linnet::test {
namespace {

using Json = nlohmann::json;

std::filesystem::path goldens() { return data_dir() / "goldens/tokenizers/cases"; }

// A model directory of the tokenizer's files; nothing else is needed.
void make_model(const TempDir& dir, const std::string& name) {
  const std::filesystem::path from = data_dir() / "vocab" / name;
  const std::string file = name == "all-MiniLM-L6-v2" ? "tokenizer.json" : "vocab.txt";
  std::filesystem::copy(from / file, dir.path() / file);
  if (name == "bert-base-cased") dir.write("tokenizer_config.json", R"({"do_lower_case": false})");
}

std::vector<Json> parse_lines(const std::string& text) {
  std::vector<Json> out;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    if (end > begin) out.push_back(Json::parse(text.substr(begin, end - begin)));
    begin = end + 1;
  }
  return out;
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The key in which an answer differs from the record; absent keys have the meaning that the format
// gives them.
std::string difference(const Json& record, const Json& answer) {
  Json want = record;
  const std::size_t n = answer.at("ids").size();
  const auto otherwise = [&](const char* key, const Json& value) {
    if (!want.contains(key)) want[key] = value;
  };
  otherwise("type_ids", std::string(n, '0'));
  otherwise("attention_mask", std::string(n, '1'));
  otherwise("special_tokens_mask", std::string(n, '0'));
  otherwise("offsets_bytes", want.value("offsets", Json()));
  for (const char* key : {"ids", "tokens", "type_ids", "attention_mask", "special_tokens_mask",
                          "offsets", "offsets_bytes", "offsets_raw", "word_ids", "sequence_ids"}) {
    if (!want.contains(key)) continue;
    if (!answer.contains(key) || answer.at(key) != want.at(key)) return key;
  }
  return "";
}

std::string compare(const Json& record, const Json& answer) {
  if (record.contains("error")) {
    return answer.value("error", "") == record["error"] ? "" : "error";
  }
  if (!record.contains("rows")) return difference(record, answer);
  if (answer.at("rows").size() != record["rows"].size()) return "rows";
  for (std::size_t i = 0; i < record["rows"].size(); ++i) {
    const std::string key = difference(record["rows"][i], answer["rows"][i]);
    if (!key.empty()) return "rows " + std::to_string(i) + " " + key;
  }
  return answer.value("overflow_to_sample_mapping", Json()) ==
                 record.value("overflow_to_sample_mapping", Json())
             ? ""
             : "overflow_to_sample_mapping";
}

class Tokenize : public testing::TestWithParam<const char*> {};

TEST_P(Tokenize, AnswersRecordsAsTheReference) {
  LINNET_NEEDS(goldens());
  const TempDir dir;
  make_model(dir, GetParam());
  std::size_t compared = 0, failing = 0;
  for (const char* file : {"text.jsonl", "options.jsonl"}) {
    const std::string cases = (goldens() / GetParam() / file).string();
    const Finished done = run({.arguments = {LINNET_PROGRAM, "tokenize", "--model",
                                             dir.path().string(), "--input", cases, "--json"}});
    const std::vector<Json> records = parse_lines(read_file(cases)),
                            answers = parse_lines(done.out);
    ASSERT_EQ(answers.size(), records.size()) << done.err;
    for (std::size_t i = 0; i < records.size(); ++i) {
      const Json& record = records[i];
      failing += answers[i].contains("error");
      ASSERT_EQ(answers[i].at("id"), record.at("id"));
      // Other settings of the tokenizer itself, or an outcome that need not be copied.
      if (record.contains("variant") || record.contains("reference")) continue;
      if (record.contains("n_ids")) {
        EXPECT_EQ(answers[i].at("ids").size(), record["n_ids"]) << record["id"];
      } else {
        EXPECT_EQ(compare(record, answers[i]), "") << record["id"];
      }
      ++compared;
    }
    EXPECT_EQ(done.exit_code, failing > 0 ? 3 : 0);
  }
  EXPECT_GT(compared, 600U);
}

INSTANTIATE_TEST_SUITE_P(BertFamily, Tokenize,
                         testing::Values("all-MiniLM-L6-v2", "bert-base-uncased",
                                         "bert-base-cased"),
                         [](const auto& p) {
                           std::string name(p.param);
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

class Decode : public Tokenize {};

TEST_P(Decode, AnswersRecordsAsTheReference) {
  LINNET_NEEDS(goldens());
  const TempDir dir;
  make_model(dir, GetParam());
  const std::string cases = (goldens() / GetParam() / "decode.jsonl").string();
  const Finished done = run({.arguments = {LINNET_PROGRAM, "decode", "--model", dir.path().string(),
                                           "--input", cases, "--json"}});
  const std::vector<Json> records = parse_lines(read_file(cases)), answers = parse_lines(done.out);
  ASSERT_EQ(answers.size(), records.size()) << done.err;
  EXPECT_EQ(done.exit_code, 0) << done.err;
  for (std::size_t i = 0; i < records.size(); ++i) {
    const Json &record = records[i], &answer = answers[i];
    const auto expect = [&](const char* key, const Json& want) {
      EXPECT_EQ(answer.at(key), want) << record["id"] << " " << key;
    };
    if (record.contains("chunks")) {
      expect("chunks", record["chunks"]);
      expect("decode_skip", record["whole"]);
      continue;
    }
    const Json& skip = record["decode_skip"];
    const Json keep = record.value("decode_keep", skip);
    expect("tokens", record["tokens"]);
    expect("decode_skip", skip);
    expect("decode_keep", keep);
    expect("decode_skip_clean", record.value("decode_skip_clean", skip));
    expect("decode_keep_clean", record.value("decode_keep_clean", keep));
  }
}

INSTANTIATE_TEST_SUITE_P(BertFamily, Decode,
                         testing::Values("all-MiniLM-L6-v2", "bert-base-uncased",
                                         "bert-base-cased"),
                         [](const auto& p) {
                           std::string name(p.param);
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

class TokenizeText : public testing::Test {
 protected:
  void SetUp() override {
    LINNET_NEEDS(data_dir() / "vocab/bert-base-uncased");
    make_model(model_, "bert-base-uncased");
  }
  Finished linnet(std::vector<std::string> words, const std::string& input = "") const {
    words.insert(words.begin(), LINNET_PROGRAM);
    words.insert(words.begin() + 2, {"--model", model_.path().string()});
    return run({.arguments = std::move(words), .input = input});
  }
  TempDir model_, dir_;
};

TEST_F(TokenizeText, FromEverywhere) {
  EXPECT_EQ(linnet({"tokenize", "bread", "", "--", "--x"}).out,
            "101 7852 102\n101 102\n101 1011 1011 1060 102\n");
  EXPECT_EQ(linnet({"tokenize"}, "bread\r\n\nbread").out, "101 7852 102\n101 102\n101 7852 102\n");
  EXPECT_EQ(linnet({"tokenize", "--input", "-", "--tokens"}, "bread").out, "[CLS] bread [SEP]\n");
  dir_.write("a.csv", "id,text\n1,\"bread\n\"\n2,bread\n");
  EXPECT_EQ(linnet({"tokenize", "-i", dir_.path("a.csv")}).out, "101 7852 102\n101 7852 102\n");
  dir_.write("a.tsv", "sentence1\tsentence2\nbread\t\n");
  EXPECT_EQ(linnet({"tokenize", "-i", dir_.path("a.tsv"), "--pair-column", "sentence2"}).out,
            "101 7852 102 102\n");
  EXPECT_EQ(linnet({"tokenize", "-i", dir_.path("a.tsv"), "text"}).exit_code, 2);
}

TEST_F(TokenizeText, Options) {
  EXPECT_EQ(linnet({"tokenize", "--no-special-tokens", "[SEP]"}).out, "102\n");
  EXPECT_EQ(linnet({"tokenize", "--no-special-tokens", "--no-parse-special", "[SEP]"}).out,
            "1031 19802 1033\n");
  EXPECT_EQ(linnet({"tokenize", "--truncation", "longest-first", "--max_length", "3",
                    "--return-overflowing-tokens", "bread bread"})
                .out,
            "101 7852 102\n101 7852 102\n");
  const Finished missing = linnet({"tokenize", "--truncation", "longest-first", "bread"});
  EXPECT_EQ(missing.exit_code, 3);
}

TEST_F(TokenizeText, ABadRecordFailsAlone) {
  dir_.write("a.jsonl",
             "{\"text\": \"bread\"}\n"
             "{\"text\": \n"
             "{\"text\": \"bread\", \"opt\": {\"bogus\": 1}}\n"
             "{\"text\": \"bread\", \"opt\": {\"max_length\": -1}}\n"
             "{\"text_b64\": \"/w==\"}\n"
             "{\"text_b64\": \"/w==\", \"opt\": {\"invalid_utf8\": \"replace\"}}\n"
             "{\"text_b64\": \"!\"}\n"
             "{\"texts\": [\"a\"], \"pairs\": [\"a\", \"b\"]}\n"
             "{\"text_gen\": {\"prefix\": \"\", \"unit\": \"ab\", \"count\": 536870912, "
             "\"suffix\": \"\"}}\n"
             "{\"text\": \"bread\"}\n");
  const Finished done = linnet({"tokenize", "-i", dir_.path("a.jsonl"), "--json"});
  EXPECT_EQ(done.exit_code, 3);
  const std::vector<Json> answers = parse_lines(done.out);
  ASSERT_EQ(answers.size(), 10U);
  for (const std::size_t good : {0u, 5u, 9u}) EXPECT_TRUE(answers[good].contains("ids")) << good;
  for (const std::size_t bad : {1u, 2u, 3u, 6u, 7u, 8u}) {
    EXPECT_EQ(answers[bad].value("error", ""), "invalid_record") << bad;
    EXPECT_NE(done.err.find("line " + std::to_string(bad + 1) + ": "), std::string::npos) << bad;
  }
  EXPECT_EQ(answers[4].value("error", ""), "invalid_utf8");
}

TEST_F(TokenizeText, InvalidUtf8IsReportedWithItsPlace) {
  dir_.write("a.txt", "bread\nbr\xFF\nbread\n");
  const Finished done = linnet({"tokenize", "-i", dir_.path("a.txt")});
  EXPECT_EQ(done.exit_code, 3);
  EXPECT_EQ(done.out, "101 7852 102\n\n101 7852 102\n");
  EXPECT_NE(done.err.find("line 2: "), std::string::npos) << done.err;
  EXPECT_EQ(linnet({"tokenize", "-i", dir_.path("a.txt"), "--invalid-utf8", "replace"}).exit_code,
            0);
}

TEST_F(TokenizeText, DecodeIsTheWayBack) {
  EXPECT_EQ(linnet({"decode", "101", "7852", "1012,102"}).out, "[CLS] bread. [SEP]\n");
  EXPECT_EQ(linnet({"decode", "--skip-special-tokens"}, "[101, 7852]\n\n7852 7852\r\n").out,
            "bread\n\nbread bread\n");
  for (const char* wrong : {"x", "-1", "99999999999", "1.5", "30522"}) {
    const Finished done = linnet({"decode"}, "7852\n" + std::string(wrong) + "\n7852");
    EXPECT_EQ(done.exit_code, 3) << wrong;
    EXPECT_EQ(done.out, "bread\n\nbread\n") << wrong;
  }
  EXPECT_EQ(linnet({"decode", "--lenient", "7852", "30522"}).out, "bread\n");
}

}  // namespace
}  // namespace linnet::test
