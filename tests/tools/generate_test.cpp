// `linnet generate`, `perplexity` and `score` from outside.
#include <gtest/gtest.h>

#include <cmath>
#include <csignal>
#include <fstream>
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

constexpr const char* kYelp = "checkpoints/gpt2-yelp";

Finished linnet(const char* command, std::vector<std::string> words, std::string input = {},
                const char* model = kYelp) {
  std::vector<std::string> all{LINNET_PROGRAM, command, "--model", (data_dir() / model).string()};
  all.insert(all.end(), words.begin(), words.end());
  return run({.arguments = std::move(all), .input = std::move(input)});
}

Json golden(const char* name) {
  std::ifstream in(data_dir() / "goldens" / name / "case.json");
  return Json::parse(in);
}

void answers_as_in_the_goldens(const char* name, const char* model) {
  const Json all = golden(name);
  std::string requests;
  for (const Json& one : all["runs"]) {
    Json request = one["params"];
    request["prompts"] = all["prompts"];
    request["max_new_tokens"] = all["max_new_tokens"];
    request["eos_token_id"] = one["eos_token_id"];
    request["pad_token_id"] = all["pad_token_id"];
    requests += request.dump() + "\n";
  }
  const Finished done = linnet("generate", {"--requests", "-", "--json"}, requests, model);
  ASSERT_EQ(done.exit_code, 0) << done.err;
  const std::vector<Json> answers = lines_of(done.out);
  ASSERT_EQ(answers.size(), all["runs"].size());
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const Json& want = all["runs"][i];
    EXPECT_EQ(answers[i].at("new_tokens"), want["new_tokens"]) << want["name"];
    EXPECT_EQ(answers[i].contains("sequences_scores"), want.contains("sequences_scores"));
    if (!want.contains("sequences_scores")) continue;
    for (std::size_t k = 0; k < want["sequences_scores"].size(); ++k) {
      const double score = want["sequences_scores"][k];
      EXPECT_NEAR(answers[i]["sequences_scores"][k], score, 1e-5 * std::abs(score));
    }
  }
}

TEST(Generate, RequestsOfIdsWithoutATokenizer) {
  LINNET_NEEDS(data_dir() / "goldens/gpt2_generate");
  answers_as_in_the_goldens("gpt2_generate", "goldens/gpt2_generate");
}

TEST(Generate, RequestsOfARealModel) {
  LINNET_NEEDS(data_dir() / kYelp);
  answers_as_in_the_goldens("gpt2_yelp_generate", kYelp);
}

TEST(Generate, TextsAndIdsAreTheSameRequest) {
  LINNET_NEEDS(data_dir() / kYelp);
  const Json all = golden("gpt2_yelp_generate");
  const Json ids{{"prompts", all["prompts"]}, {"max_new_tokens", 9}};
  const Json texts{{"texts", all["prompt_texts"]}, {"max_new_tokens", 9}};
  const Finished done =
      linnet("generate", {"--requests", "-"}, ids.dump() + "\n" + texts.dump() + "\n");
  const auto answers = lines_of(done.out);
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[0], answers[1]);
  EXPECT_EQ(answers[0]["finish_reasons"], Json({"length", "length", "length"}));
}

TEST(Generate, PromptsInCompanyAndAlone) {
  LINNET_NEEDS(data_dir() / kYelp);
  const std::vector<std::string> prompts{"the food was", "i have been here", "great service and"};
  const std::vector<std::string> sample{"--temperature", "1.5", "--seed", "5"};
  std::string alone;
  for (const std::string& prompt : prompts) {
    const Finished one = linnet("generate", {prompt, "--max-new-tokens", "12"});
    ASSERT_EQ(one.exit_code, 0) << one.err;
    EXPECT_TRUE(one.out.starts_with(prompt)) << one.out;
    alone += one.out;
  }
  for (const char* batch : {"1", "2", "16"}) {
    std::vector<std::string> words = prompts;
    words.insert(words.end(), {"--max-new-tokens", "12", "--batch", batch, "--threads", "2"});
    EXPECT_EQ(linnet("generate", words).out, alone) << "batch " << batch;
    words.insert(words.end(), sample.begin(), sample.end());
    words.insert(words.end(), {"--num-return-sequences", "2", "--json"});
    const Finished sampled = linnet("generate", words);
    EXPECT_EQ(lines_of(sampled.out).size(), 6u) << sampled.err;
    static std::string first;
    if (first.empty()) first = sampled.out;
    EXPECT_EQ(sampled.out, first) << "batch " << batch;
  }
}

TEST(Generate, StopsBeforeAStopString) {
  LINNET_NEEDS(data_dir() / kYelp);
  const std::string whole = linnet("generate", {"the food was", "--max-new-tokens", "20"}).out;
  const std::string stop = whole.substr(20, 5);
  const Finished cut =
      linnet("generate", {"the food was", "--max-new-tokens", "20", "--stop", stop, "--json"});
  const Json answer = Json::parse(cut.out);
  const std::string text = answer.at("generated_text");
  EXPECT_EQ(text, whole.substr(0, whole.find(stop, 12)));
  EXPECT_EQ(answer.at("finish_reason"), "stop");
  EXPECT_EQ(linnet("generate", {"the food was", "--max-new-tokens", "20", "--stop", stop}).out,
            text + "\n");
}

TEST(Generate, TaskByItsName) {
  LINNET_NEEDS(data_dir() / kYelp);
  const Finished done =
      run({.arguments = {LINNET_PROGRAM, "run", "--task", "text-generation", "--model",
                         (data_dir() / kYelp).string(), "--json", "--logprobs", "2",
                         "--max-new-tokens", "4", "the food"}});
  const Json answer = Json::parse(done.out);
  EXPECT_TRUE(answer.at("generated_text").get<std::string>().starts_with("the food"));
  ASSERT_EQ(answer.at("logprobs").size(), 4u);
  EXPECT_EQ(answer["logprobs"][0]["top"][0]["logprob"], answer["logprobs"][0]["logprob"]);
}

TEST(Generate, SpeculationChangesNoByteAndIsReported) {
  LINNET_NEEDS(data_dir() / kYelp);
  for (const std::vector<std::string>& way :
       {std::vector<std::string>{"--threads", "2"},
        std::vector<std::string>{"--temperature", "0.7", "--seed", "4"}}) {
    std::vector<std::string> words{"the food was good and the food", "--max-new-tokens", "50"};
    words.insert(words.end(), way.begin(), way.end());
    const Finished plain = linnet("generate", words);
    words.insert(words.end(), {"--prompt-lookup-num-tokens", "6", "--verbose"});
    const Finished guessed = linnet("generate", words);
    EXPECT_EQ(guessed.out, plain.out) << guessed.err;
    EXPECT_NE(guessed.err.find(" guessed tokens were accepted"), std::string::npos) << guessed.err;
    words.back() = "--json";
    const Json answer = Json::parse(linnet("generate", words).out);
    EXPECT_EQ(answer["generated_text"].get<std::string>() + "\n", plain.out);
    const Json& report = answer.at("speculation");
    EXPECT_GT(report.at("accepted"), 0);
    EXPECT_DOUBLE_EQ(report.at("acceptance_rate"),
                     report.at("accepted").get<double>() / report.at("guessed").get<double>());
  }
  const Finished request = linnet(
      "generate", {"--requests", "-"},
      R"({"texts": ["the food was", "the food was"], "max_new_tokens": 40, "prompt_lookup_num_tokens": 3})");
  EXPECT_GT(Json::parse(request.out).at("speculation").at("guessed"), 0) << request.err;
}

TEST(Generate, ContextSlidesOnlyWhenItIsAskedTo) {
  LINNET_NEEDS(data_dir() / kYelp);
  const std::vector<std::string> words{"the food", "--max-new-tokens", "200"};
  const Finished refused = linnet("generate", words);
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_NE(refused.err.find("more than the 64 that fit"), std::string::npos) << refused.err;
  const auto slides = [&](std::vector<std::string> more) {
    more.insert(more.begin(), words.begin(), words.end());
    more.insert(more.end(), {"--context-overflow", "slide", "--json"});
    return Json::parse(linnet("generate", more).out);
  };
  const Json answer = slides({});
  EXPECT_EQ(answer.at("new_tokens").size(), 200u);
  EXPECT_EQ(slides({"--prompt-lookup-num-tokens", "9"}).at("text"), answer.at("text"));
  const Json request{
      {"texts", {"the food"}}, {"max_new_tokens", 200}, {"context_overflow", "slide"}};
  const Finished done = linnet("generate", {"--requests", "-"}, request.dump());
  EXPECT_EQ(Json::parse(done.out).at("new_tokens")[0], answer.at("new_tokens")) << done.err;
  const Finished beams =
      linnet("generate", {"the food", "--num-beams", "2", "--context-overflow", "slide"});
  EXPECT_EQ(beams.exit_code, 1);
  EXPECT_NE(beams.err.find("1 where the context slides"), std::string::npos) << beams.err;
  EXPECT_EQ(linnet("generate", {"the food", "--context-overflow", "drop"}).exit_code, 2);
}

TEST(Generate, TenThousandTokensTakeNoMoreMemory) {
#ifdef LINNET_SANITIZED
  GTEST_SKIP() << "a sanitizer's own memory would be counted";
#endif
  LINNET_NEEDS(data_dir() / kYelp);
  const auto generate = [](const char* tokens) {
    return linnet("generate", {"the food", "--temperature", "1", "--context-overflow", "slide",
                               "--min-new-tokens", tokens, "--max-new-tokens", tokens, "--json"});
  };
  // One after the other, before anything is parsed: what the test itself has at a start counts.
  const Finished few = generate("200"), many = generate("10000");
  for (const auto& [done, tokens] : {std::pair(&few, 200u), std::pair(&many, 10000u)}) {
    ASSERT_EQ(done->exit_code, 0) << done->err;
    EXPECT_EQ(Json::parse(done->out).at("new_tokens").size(), tokens);
  }
  // Ids and text of a token are a few bytes.
  EXPECT_LT(many.peak_bytes, few.peak_bytes + (std::int64_t{1} << 20));
}

TEST(Generate, InterruptLeavesAValidBeginning) {
  LINNET_NEEDS(data_dir() / kYelp);
  std::vector<std::string> words{
      LINNET_PROGRAM,       "generate", "--model",         (data_dir() / kYelp).string(),
      "--context-overflow", "slide",    "--max-new-tokens"};
  std::vector<std::string> endless = words;
  endless.insert(endless.end(), {"1000000000", "the food was"});
  Child child(endless);
  std::string out = child.read_line() + "\n";
  child.kill(SIGINT);
  const Finished interrupted = child.wait();
  EXPECT_EQ(interrupted.exit_code, 130);
  EXPECT_EQ(interrupted.signal, 0);
  EXPECT_EQ(interrupted.err, "");
  out += interrupted.out;
  EXPECT_NO_THROW(static_cast<void>(Json(out).dump())) << "not UTF-8";
  words.insert(words.end(), {std::to_string(out.size()), "the food was"});
  const Finished whole = run({.arguments = words});
  EXPECT_TRUE(whole.out.starts_with(out)) << out.size();
}

TEST(Generate, BadInputIsAnErrorThatSaysSo) {
  LINNET_NEEDS(data_dir() / kYelp);
  const auto fails = [](std::vector<std::string> words, int code, const std::string& message,
                        std::string input = {}) {
    const Finished done = linnet("generate", std::move(words), std::move(input));
    EXPECT_EQ(done.exit_code, code) << message << done.out;
    EXPECT_NE((done.err + done.out).find(message), std::string::npos) << done.err;
  };
  fails({""}, 3, "the prompt has no token");
  fails({"the food", "--max-new-tokens", "64"}, 1, "more than the 64 that fit");
  fails({"the food", "--temperature", "0"}, 1, "temperature: found 0.0");
  fails({"the food", "--temperature", "nan"}, 2, "temperature");
  fails({"the food", "--top-p", "2"}, 1, "top_p: found 2.0");
  fails({"the food", "--num-beams", "0"}, 1, "num_beams: found 0");
  fails({"the food", "--num-beams", "4", "--batch", "2"}, 1, "places for 2 sequences");
  fails({"the food", "--num-beams", "2", "--prompt-lookup-num-tokens", "4"}, 1,
        "1 with prompt_lookup_num_tokens");
  fails({"the food", "--prompt-lookup-num-tokens", "2000"}, 1, "expected 0 to 1024");
  fails({"the food", "--max-matching-ngram-size", "0"}, 1, "max_matching_ngram_size: found 0");
  fails({"the food", "--eos-token-id", "1000"}, 1, "token id 1000, expected 0 to 999");
  fails({"the food", "--num-return-sequences", "2"}, 1, "all be the same");
  fails({"--input", "-", "--input-format", "text"}, 3, "UTF-8", "a \xff b\n");
  fails({"--requests", "-"}, 3, "no parameter of generation is called \\\"topk\\\"",
        R"({"texts": ["a"], "topk": 3})");
  fails({"--requests", "-"}, 3, "either prompts or texts", "{}\n");
  fails({"--requests", "-"}, 3, "token id 5000", R"({"prompts": [[5000]]})");
  fails({"--requests", "-"}, 3, "has no token", R"({"prompts": [[1], []]})");
  fails({"--requests", "-"}, 3, "error", "[1, 2\n");
  const Finished small = linnet("generate", {"the food"}, {}, "goldens/gpt2_qa");
  EXPECT_EQ(small.exit_code, 1);
  EXPECT_NE(small.err.find("the head question-answering"), std::string::npos) << small.err;
}

TEST(Perplexity, GoldensOfWholeFiles) {
  LINNET_NEEDS(data_dir() / kYelp);
  const Json all = golden("gpt2_yelp_perplexity");
  for (const Json& want : all["runs"]) {
    // Both texts, both strides, and the token after the window: three of the runs.
    if (want["name"] != "test.stride32" && want["name"] != "valid.stride64" &&
        want["name"] != "valid.stride64_after") {
      continue;
    }
    const std::string file =
        (data_dir() / kYelp / (want["text"].get<std::string>() + ".txt")).string();
    std::vector<std::string> words{
        "--input", file, "--json", "--max-length", "64", "--stride", want["stride"].dump()};
    if (want["scores_one_after_the_window"]) words.push_back("--score-next");
    const Finished done = linnet("perplexity", words);
    ASSERT_EQ(done.exit_code, 0) << done.err;
    const Json got = Json::parse(done.out);
    EXPECT_EQ(got["tokens_scored"], want["tokens_scored"]);
    EXPECT_EQ(got["windows"], want["windows"]);
    for (const char* key : {"nll", "mean_nll", "perplexity"}) {
      const double expected = want[key];
      EXPECT_NEAR(got[key], expected, 1e-6 * expected) << want["name"] << key;
    }
  }
}

TEST(Perplexity, EveryTokenInAFile) {
  LINNET_NEEDS(data_dir() / kYelp);
  const TempDir dir;
  dir.write("a.txt", "the food was great .\nwe will be back .\n");
  const Finished done =
      linnet("perplexity", {"--input", dir.path("a.txt"), "--max-length", "6", "--stride", "3",
                            "--json", "--token-output", dir.path("tokens.jsonl")});
  ASSERT_EQ(done.exit_code, 0) << done.err;
  const Json got = Json::parse(done.out);
  const auto tokens = lines_of(dir.read("tokens.jsonl"));
  ASSERT_EQ(tokens.size(), got["tokens_scored"].get<std::size_t>());
  EXPECT_EQ(got["tokens_scored"].get<int>() + 1, got["tokens"].get<int>());
  double nll = 0;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    EXPECT_EQ(tokens[i]["index"], i + 1);
    nll -= tokens[i]["logprob"].get<double>();
  }
  EXPECT_DOUBLE_EQ(nll, got["nll"]);
  dir.write("one.txt", "a");
  const Finished one = linnet("perplexity", {"--input", dir.path("one.txt")});
  EXPECT_EQ(one.exit_code, 1);
  EXPECT_NE(one.err.find("expected at least 2"), std::string::npos) << one.err;
  EXPECT_EQ(linnet("perplexity", {"--input", dir.path("a.txt"), "--stride", "65"}).exit_code, 1);
  EXPECT_EQ(linnet("perplexity", {"--input", dir.path("a.txt"), "--max-length", "65"}).exit_code,
            1);
}

TEST(Perplexity, Bf16IsNearFloat32) {
  LINNET_NEEDS(data_dir() / kYelp);
  const TempDir dir;
  std::string text;
  for (int i = 0; i < 40; ++i) text += "the food was great .\nwe will be back " + std::to_string(i);
  dir.write("a.txt", text);
  const auto perplexity = [&](const char* precision) {
    const Finished done = linnet("perplexity", {"--input", dir.path("a.txt"), "--stride", "64",
                                                "--precision", precision, "--json"});
    EXPECT_EQ(done.exit_code, 0) << done.err;
    return Json::parse(done.out).at("perplexity").get<double>();
  };
  const double want = perplexity("fp32"), got = perplexity("bf16");
  EXPECT_NEAR(got, want, 1e-3 * want);
  EXPECT_NE(got, want);
}

TEST(Perplexity, Int8CacheIsNearAndGeneratesTheSameInAnyCompany) {
  LINNET_NEEDS(data_dir() / kYelp);
  const TempDir dir;
  std::string text;
  for (int i = 0; i < 40; ++i) text += "the food was great .\nwe will be back " + std::to_string(i);
  dir.write("a.txt", text);
  const auto perplexity = [&](const char* cache) {
    const Finished done =
        linnet("perplexity", {"--input", dir.path("a.txt"), "--cache-dtype", cache, "--json"});
    EXPECT_EQ(done.exit_code, 0) << done.err;
    return Json::parse(done.out).at("perplexity").get<double>();
  };
  const double want = perplexity("float32"), got = perplexity("int8");
  EXPECT_NEAR(got, want, 5e-3 * want);
  EXPECT_NE(got, want);
  const auto texts = [](std::vector<std::string> more) {
    more.insert(more.end(), {"the food was", "i have been here", "--max-new-tokens", "30",
                             "--cache-dtype", "int8"});
    return linnet("generate", more).out;
  };
  const std::string alone = texts({"--batch", "1"});
  EXPECT_FALSE(alone.empty());
  EXPECT_EQ(texts({"--batch", "2", "--threads", "2"}), alone);
  EXPECT_EQ(texts({"--prompt-lookup-num-tokens", "5", "--isa", "avx2"}), alone);
}

TEST(Score, LikelierTextsAndBadOnes) {
  LINNET_NEEDS(data_dir() / kYelp);
  const Finished done = linnet(
      "score", {"--tokens", "the food was great", "the food was grey", "", std::string(600, 'x')});
  EXPECT_EQ(done.exit_code, 3);
  const auto rows = lines_of(done.out);
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_GT(rows[0]["score"]["logprob"], rows[1]["score"]["logprob"]);
  double sum = 0;
  for (const Json& token : rows[0]["score"]["token_logprobs"]) {
    sum += token["logprob"].get<double>();
  }
  EXPECT_DOUBLE_EQ(sum, rows[0]["score"]["logprob"]);
  EXPECT_TRUE(rows[2].contains("error"));
  EXPECT_NE(rows[3]["error"].get<std::string>().find("expected 2 to 64"), std::string::npos);
  const auto with = lines_of(linnet("score", {"--add-bos", "the food was great"}).out);
  EXPECT_EQ(with[0]["score"]["tokens"].get<int>(), rows[0]["score"]["tokens"].get<int>() + 1);
}

}  // namespace
}  // namespace linnet::test
