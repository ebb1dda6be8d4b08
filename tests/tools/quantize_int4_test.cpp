// linnet quantize IN OUT int4 from outside: the same bytes everywhere, how small, what it costs,
// the way back, and what is refused.
#include <cmath>
#include <fstream>

#include "tests/tools/convert_fixture.h"

namespace linnet::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class QuantizeInt4 : public ConvertFixture {
 protected:
  const fs::path yelp = data_dir() / "checkpoints/gpt2-yelp";

  Finished quantize(const std::string& from, const std::string& to, const char* type,
                    const Words& more = {}) const {
    return run_words({LINNET_PROGRAM, "quantize", from, to, type}, more);
  }
  // The bytes that `linnet forward` writes; with its log where it fails.
  std::string forward(const std::string& from, const fs::path& inputs,
                      const Words& more = {}) const {
    const Finished done = run_words({LINNET_PROGRAM, "forward", "--model", from, "--inputs",
                                     inputs.string(), "--output", dir_.path("y"), "--force"},
                                    more);
    return done.exit_code == 0 ? dir_.read("y") : done.err;
  }
  double perplexity(const std::string& model) const {
    std::ifstream in(yelp / "test.txt");
    std::string text(12'000, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    dir_.write("text", text);
    const Finished done = run_words(
        {LINNET_PROGRAM, "perplexity", "--model", model, "--input", dir_.path("text"), "--json"},
        {});
    EXPECT_EQ(done.exit_code, 0) << done.err;
    return done.exit_code == 0 ? json::parse(done.out).at("perplexity").get<double>() : 0;
  }
  json manifest() const { return json::parse(dir_.read("out/linnet.json")); }
};

TEST_F(QuantizeInt4, GivesTheSameBytesAtEveryLevel) {
  LINNET_NEEDS(goldens);
  int cases = 0;
  for (const char* name : {"gpt2_lm", "gpt2_lm_inner", "gpt2_lm_head_present", "gpt2_tokcls"}) {
    if (!fs::exists(goldens / name / "model.safetensors")) continue;
    SCOPED_TRACE(name);
    const bool plain = ++cases % 2 == 0;
    const Finished done = quantize((goldens / name).string(), out(), "int4",
                                   {"--force", "--scheme", plain ? "plain" : "rotated"});
    ASSERT_EQ(done.exit_code, 0) << done.err;
    const fs::path io = goldens / name / "io.safetensors";
    const std::string expected = forward(out(), io, {"--isa", "reference", "--threads", "1"});
    EXPECT_GT(expected.size(), 1000u) << expected;
    EXPECT_TRUE(forward(out(), io, {"--isa", "avx2", "--threads", "3"}) == expected);
    EXPECT_TRUE(forward(out(), io) == expected);
    EXPECT_TRUE(forward(out(), io, {"--weights", "copy"}) == expected);
  }
  EXPECT_GE(cases, 3);
}

TEST_F(QuantizeInt4, IsSmallAndNear) {
  LINNET_NEEDS(yelp);
  const double exact = perplexity(yelp.string());
  const auto bytes = [&] {
    return static_cast<double>(fs::file_size(out() + "/model.safetensors"));
  };
  ASSERT_EQ(quantize(yelp.string(), out(), "int8").exit_code, 0);
  const double eight = bytes();
  ASSERT_EQ(quantize(yelp.string(), out(), "int4", {"--force"}).exit_code, 0);
  // 4.25 bits a weight; scales of rows, biases, norms and positions stay what they are.
  EXPECT_LT(bytes(), 0.65 * eight);
  const auto document = manifest();
  for (const auto& [name, layer] : document.at("layers").items()) {
    EXPECT_EQ(layer.at("format"), "i4_packed") << name;
  }
  const double four = perplexity(out());
  EXPECT_LT(four / exact, 1.06);
  EXPECT_GT(four / exact, 1.002);  // it is the 4 bits that run
}

TEST_F(QuantizeInt4, GenerationIsThatOfTheCacheAndOfAnyBatch) {
  LINNET_NEEDS(yelp);
  ASSERT_EQ(quantize(yelp.string(), out(), "int4").exit_code, 0);
  dir_.write("prompts.txt", "The food was\nI went to\nThis place\n");
  const auto texts = [&](const Words& more) {
    const Finished done = run_words({LINNET_PROGRAM, "generate", "--model", out(), "--input",
                                     dir_.path("prompts.txt"), "--max-new-tokens", "24"},
                                    more);
    EXPECT_EQ(done.exit_code, 0) << done.err;
    return done.out;
  };
  const std::string expected = texts({"--threads", "1", "--batch", "1", "--isa", "avx2"});
  EXPECT_FALSE(expected.empty());
  EXPECT_EQ(texts({"--threads", "3", "--batch", "3"}), expected);
  EXPECT_EQ(texts({"--prompt-lookup-num-tokens", "4"}), expected);
}

// The floats differ from what runs in the rounding of activations alone.
TEST_F(QuantizeInt4, ExportGivesTheFloatsItStandsFor) {
  LINNET_NEEDS(yelp);
  for (const char* scheme : {"plain", "rotated"}) {
    ASSERT_EQ(quantize(yelp.string(), out(), "int4", {"--force", "--scheme", scheme}).exit_code, 0);
    const std::string floats = dir_.path(scheme);
    const Finished done =
        run_words({LINNET_PROGRAM, "export", "--model", out(), "--output-dir", floats}, {});
    ASSERT_EQ(done.exit_code, 0) << done.err;
    EXPECT_NEAR(perplexity(floats) / perplexity(out()), 1, 0.01) << scheme;
  }
}

TEST_F(QuantizeInt4, WhatIsRefused) {
  LINNET_NEEDS(yelp);
  const std::string encoder = (goldens / "bert_base").string();
  const Finished other = quantize(encoder, dir_.path("no"), "int4");
  EXPECT_EQ(other.exit_code, 1);
  EXPECT_NE(other.err.find("a gpt2 alone has them"), std::string::npos) << other.err;
  EXPECT_FALSE(fs::exists(dir_.path("no")));
  EXPECT_EQ(quantize(yelp.string(), dir_.path("no"), "int2").exit_code, 2);

  const fs::path io = goldens / "gpt2_lm/io.safetensors";
  ASSERT_EQ(quantize((goldens / "gpt2_lm").string(), out(), "int4").exit_code, 0);
  const json good = manifest();
  const std::string layer = "transformer.h.0.mlp.c_fc";
  const auto refuses = [&](const json& manifest, const std::string& part) {
    dir_.write("out/linnet.json", manifest.dump());
    const std::string said = forward(out(), io);
    EXPECT_NE(said.find(part), std::string::npos) << said.substr(0, 500);
  };
  ASSERT_TRUE(good["layers"].contains(layer)) << good["layers"].dump();
  json wrong = good;
  wrong["layers"][layer]["format"] = "i8_packed";
  refuses(wrong, "has shape");  // of other bytes
  wrong["layers"][layer]["format"] = "i8_rows";
  refuses(wrong, "i8_rows");
  wrong["layers"][layer]["format"] = "i2_packed";
  refuses(wrong, "unknown number format");
}

}  // namespace
}  // namespace linnet::test
