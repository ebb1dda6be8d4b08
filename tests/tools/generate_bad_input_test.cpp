// What strangers may put before `linnet generate`: prompts, vocabularies, parameters, budgets. Each
// is an error that says what is wrong, with the right exit code and nothing on standard output.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/data.h"
#include "tests/support/process.h"
#include "tests/support/random_gpt2.h"
#include "tests/support/temp_dir.h"

namespace linnet::test {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
using Words = std::vector<std::string>;

fs::path yelp() { return data_dir() / "checkpoints/gpt2-yelp"; }

class GenerateBadInput : public testing::Test {
 protected:
  void SetUp() override {
    LINNET_NEEDS(yelp());
    fs::create_directory(model());
    for (const char* file : {"config.json", "model.safetensors", "tokenizer.json"}) {
      fs::copy(yelp() / file, model() / file);
      fs::permissions(model() / file, fs::perms::owner_all);
    }
  }
  fs::path model() const { return dir_.path() / "model"; }
  Finished generate(Words words, const std::string& input = "") const {
    words.insert(words.begin(), {LINNET_PROGRAM, "generate", "--model", model().string()});
    return run({.arguments = std::move(words), .input = input});
  }
  void fails(Words words, int code, const std::string& part, const std::string& input = "") const {
    const Finished done = generate(std::move(words), input);
    EXPECT_EQ(done.exit_code, code) << part << " signal " << done.signal << done.err;
    EXPECT_EQ(done.out, "") << part;
    EXPECT_NE(done.err.find(part), std::string::npos) << part << "\n" << done.err;
  }
  // Expects an error for the tokenizer that `change` makes of the model's.
  template <class Change>
  void tokenizer_fails(const std::string& part, Change change) const {
    Json tokenizer = Json::parse(std::ifstream(yelp() / "tokenizer.json"));
    change(tokenizer);
    dir_.write("model/tokenizer.json", tokenizer.dump());
    fails({"the food", "--max-new-tokens", "3"}, 1, part);
  }

  TempDir dir_;
};

TEST_F(GenerateBadInput, Prompts) {
  const Words three{"--max-new-tokens", "3"};
  fails({"a\xff b", three[0], three[1]}, 3, "not UTF-8 at byte 1");
  fails({std::string(50'000, 'x'), three[0], three[1]}, 1, "with 3 new ones more than the 64");
  std::string special;
  for (int i = 0; i < 60; ++i) special += "<|endoftext|>";
  const Finished read = generate({special, three[0], three[1], "--json"});
  EXPECT_EQ(read.exit_code, 0) << read.err;  // 60 tokens, each of them special
  EXPECT_EQ(Json::parse(read.out).at("new_tokens").size(), 3u);
  fails({special, three[0], three[1], "--no-parse-special"}, 1, "prompt 0 has 540 tokens");
  fails({special + special, three[0], three[1]}, 1, "prompt 0 has 120 tokens");
  const Finished some = generate({"", "the food", three[0], three[1]});
  EXPECT_EQ(some.exit_code, 3);
  EXPECT_NE(some.err.find("text 1: the prompt has no token"), std::string::npos) << some.err;
  EXPECT_TRUE(some.out.starts_with("the food")) << some.out;
}

TEST_F(GenerateBadInput, VocabulariesInTokenizerJson) {
  tokenizer_fails("the key \"merges\" is missing", [](Json& t) { t["model"].erase("merges"); });
  tokenizer_fails("number 6: the token \"zq\" is not in the vocabulary",
                  [](Json& t) { t["model"]["merges"][5] = "zq qz"; });
  tokenizer_fails("merges[5]: found \"abc\", expected two tokens",
                  [](Json& t) { t["model"]["merges"][5] = "abc"; });
  tokenizer_fails("two tokens have the id 7", [](Json& t) { t["model"]["vocab"]["!"] = 7; });
  tokenizer_fails("ids up to 1000, the word embeddings have 1000 rows",
                  [](Json& t) { t["model"]["vocab"]["zzz"] = 1000; });
  tokenizer_fails("found -1, expected 0", [](Json& t) { t["model"]["vocab"]["!"] = -1; });
  tokenizer_fails("found 1099511627776, expected 0",
                  [](Json& t) { t["model"]["vocab"]["!"] = std::int64_t{1} << 40; });
  tokenizer_fails("the token \"x\" is not in the vocabulary",
                  [](Json& t) { t["model"]["vocab"].erase("x"); });
  tokenizer_fails("\"<zz>\" has the id 5000", [](Json& t) {
    Json added = t["added_tokens"][0];
    added["id"] = 5000;
    added["content"] = "<zz>";
    t["added_tokens"].push_back(added);
  });
}

TEST_F(GenerateBadInput, VocabulariesInTwoFiles) {
  const Json tokenizer = Json::parse(std::ifstream(yelp() / "tokenizer.json"));
  fs::remove(model() / "tokenizer.json");
  std::string merges = "#version: 0.2\n";
  for (const Json& merge : tokenizer["model"]["merges"]) merges += merge.get<std::string>() + "\n";
  const std::string vocab = tokenizer["model"]["vocab"].dump();
  dir_.write("model/vocab.json", vocab);
  const Words words{"the food was", "--max-new-tokens", "3"};
  fails(words, 3, "has no tokenizer, and texts need one");
  dir_.write("model/merges.txt", merges);
  const Finished whole = generate(words);
  EXPECT_EQ(whole.out, "the food was good .\n\n") << whole.err;
  dir_.write("model/merges.txt", merges + "broken\n");
  fails(words, 1, "found \"broken\", expected two tokens");
  dir_.write("model/merges.txt", merges);
  std::string twice = vocab;
  twice.insert(twice.find("\"!\":1"), "\"!\":1,");
  dir_.write("model/vocab.json", twice);
  fails(words, 1, "this key stands twice");
}

TEST_F(GenerateBadInput, AbsurdParameters) {
  const auto refused = [&](const std::string& option, const char* value, int code,
                           const std::string& part) {
    fails({"the food", "--max-new-tokens", "3", option, value}, code, part);
  };
  refused("--top-k", "-1", 2, "--top-k");
  refused("--temperature", "-1", 1, "temperature: found -1.0");
  refused("--temperature", "1e-35", 1, "expected a number of 1e-30 or more");
  refused("--top-p", "0", 1, "top_p: found 0.0");
  refused("--min-p", "2", 1, "min_p: found 2.0");
  refused("--typical-p", "0", 1, "typical_p: found 0.0");
  refused("--repetition-penalty", "0", 1, "repetition_penalty: found 0.0");
  refused("--presence-penalty", "inf", 2, "--presence-penalty");
  refused("--max-new-tokens", "0", 1, "max_new_tokens: found 0");
  refused("--max-new-tokens", "9223372036854775807", 1, "expected 0 to 2147483647");
  refused("--max-new-tokens", "63", 1, "more than the 64 that fit");
  refused("--seed", "-1", 2, "--seed");
  refused("--num-beams", "100000", 1, "num_beams: found 100000, expected 1 to 1024");
  refused("--stop", "", 1, "stop_strings: one of them is empty");
  refused("--batch", "0", 2, "--batch");
  fails({"the food", "--do-sample", "--num-return-sequences", "1000000000"}, 1,
        "num_return_sequences: found 1000000000, expected 1 to 65536");
  for (const Words& odd : {Words{"--top-k", "1000000000"}, Words{"--temperature", "1e-30"},
                           Words{"--temperature", "100000000"}, Words{"--top-p", "0.000000001"},
                           Words{"--no-repeat-ngram-size", "2147483647"}}) {
    const Finished done = generate({"the food", "--max-new-tokens", "3", odd[0], odd[1], "--json"});
    EXPECT_EQ(done.exit_code, 0) << odd[0] << odd[1] << done.err;
    EXPECT_EQ(Json::parse(done.out).at("new_tokens").size(), 3u) << odd[0] << odd[1];
  }
}

TEST_F(GenerateBadInput, RequestsThatAreWrong) {
  const std::vector<std::pair<const char*, const char*>> requests{
      {R"({"texts": ["a"], "temperature": "hot"})", "temperature: found a string"},
      {R"({"texts": ["a"], "eos_token_id": [-1]})", "eos_token_id[0]: found -1"},
      {R"({"prompts": [[99999999999]]})", "found 99999999999"},
      {R"({"prompts": [1]})", "prompts[0]"},
      {R"({"texts": ["\ud800"]})", "line 5"},
      {R"({"texts": ["a"], "bad_words_ids": [[]]})", "bad_words_ids: found an empty list"},
      {R"({"texts": ["a"], "bad_words_ids": [[1000]]})", "token id 1000, expected 0 to 999"},
      {R"({"texts": ["a"], "num_beam_groups": 2})", "num_beam_groups is not supported"}};
  std::string input;
  for (const auto& [request, part] : requests) input += std::string(request) + "\n";
  const Finished done = generate({"--requests", "-"}, input);
  EXPECT_EQ(done.exit_code, 3);
  for (const auto& [request, part] : requests) {
    EXPECT_NE(done.err.find(part), std::string::npos) << part << done.err;
  }
  EXPECT_EQ(std::count(done.out.begin(), done.out.end(), '\n'), 8);
}

TEST_F(GenerateBadInput, ABudgetThatIsTooSmallForTheCache) {
  fs::remove_all(model());
  fs::create_directory(model());
  const TempDir large;
  // 1024 positions of 3 layers and 2 · 64 columns: 1.5 MiB in FP32, 0.42 MiB in INT8.
  write_random_gpt2(large, R"({"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"],
      "n_embd": 64, "n_layer": 3, "n_head": 2, "n_positions": 1024, "vocab_size": 31})");
  for (const char* file : {"config.json", "model.safetensors"}) {
    fs::copy(large.path() / file, model() / file);
  }
  const std::string request = R"({"prompts": [[1, 2, 3]], "max_new_tokens": 3})";
  fails({"--requests", "-", "--cache-budget", "1"}, 1,
        "1 sequences of 1024 tokens take 1572864 bytes, the budget is 1048576", request);
  for (const Words& fits : {Words{"--cache-budget", "2"}, Words{"--cache-dtype", "int8"}}) {
    Words words{"--requests", "-", "--cache-budget", "1"};
    words.insert(words.end(), fits.begin(), fits.end());
    const Finished done = generate(words, request);
    EXPECT_EQ(done.exit_code, 0) << done.err;
    EXPECT_EQ(Json::parse(done.out).at("new_tokens")[0].size(), 3u);
  }
}

}  // namespace
}  // namespace linnet::test
