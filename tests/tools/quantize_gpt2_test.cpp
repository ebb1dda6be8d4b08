// linnet quantize of a GPT-2 from outside: the same bytes everywhere, the matrix that serves twice,
// the way back, what it costs, and what is refused.
#include <cmath>
#include <fstream>

#include "tests/tools/convert_fixture.h"

namespace linnet::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class QuantizeGpt2 : public ConvertFixture {
 protected:
  const fs::path yelp = data_dir() / "checkpoints/gpt2-yelp";

  Finished quantize(const std::string& from, const std::string& to, const Words& more = {}) const {
    return run_words({LINNET_PROGRAM, "quantize", from, to}, more);
  }
  // The bytes that `linnet forward` writes.
  std::string forward(const std::string& from, const fs::path& inputs,
                      const Words& more = {}) const {
    const Finished done = run_words({LINNET_PROGRAM, "forward", "--model", from, "--inputs",
                                     inputs.string(), "--output", dir_.path("y"), "--force"},
                                    more);
    EXPECT_EQ(done.exit_code, 0) << done.err;
    return dir_.read("y");
  }
  double perplexity(const std::string& model, const std::string& text,
                    const Words& more = {}) const {
    const Finished done = run_words(
        {LINNET_PROGRAM, "perplexity", "--model", model, "--input", text, "--json"}, more);
    EXPECT_EQ(done.exit_code, 0) << done.err;
    return done.exit_code == 0 ? json::parse(done.out).at("perplexity").get<double>() : 0;
  }
  // The first lines of a text of gpt2-yelp.
  std::string beginning(const char* file, std::size_t bytes) const {
    std::ifstream in(yelp / file);
    std::string text(bytes, '\0');
    in.read(text.data(), static_cast<std::streamsize>(bytes));
    dir_.write(file, text);
    return dir_.path(file);
  }
  json manifest() const { return json::parse(dir_.read("out/linnet.json")); }
  void loading_refuses(const std::string& part, const fs::path& inputs) const {
    const Finished done = run_words({LINNET_PROGRAM, "forward", "--model", out(), "--inputs",
                                     inputs.string(), "--output", dir_.path("y"), "--force"},
                                    {});
    EXPECT_EQ(done.exit_code, 1) << "signal " << done.signal << " " << done.out;
    EXPECT_NE(done.err.find(part), std::string::npos) << done.err << "expected: " << part;
  }
};

// Every head, tied or not: the file runs, and gives the same bytes at every level and for any
// number of threads.
TEST_F(QuantizeGpt2, GivesTheSameBytesAtEveryLevel) {
  LINNET_NEEDS(goldens);
  int cases = 0;
  for (const auto& entry : fs::directory_iterator(goldens)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("gpt2_") || !fs::exists(entry.path() / "model.safetensors")) continue;
    SCOPED_TRACE(name);
    const bool plain = ++cases % 3 == 0;
    const Finished done = quantize(entry.path().string(), out(),
                                   {"--force", "--json", "--scheme", plain ? "plain" : "rotated"});
    ASSERT_EQ(done.exit_code, 0) << done.err;
    EXPECT_EQ(json::parse(done.out)["quantization"]["attention"], "f32");
    const fs::path io = entry.path() / "io.safetensors";
    const std::string expected = forward(out(), io, {"--isa", "reference", "--threads", "1"});
    EXPECT_TRUE(forward(out(), io, {"--isa", "avx2", "--threads", "3"}) == expected);
    EXPECT_TRUE(forward(out(), io) == expected);
    EXPECT_TRUE(forward(out(), io, {"--weights", "copy"}) == expected);
  }
  EXPECT_GE(cases, 12);
}

TEST_F(QuantizeGpt2, TheTiedMatrixIsThereOnce) {
  LINNET_NEEDS(yelp);
  ASSERT_EQ(quantize(yelp.string(), out()).exit_code, 0);
  const json layers = manifest()["layers"];
  EXPECT_EQ(layers.size(), 4 * 4 + 1);
  EXPECT_EQ(layers["transformer.wte"]["format"], "i8_packed");
  EXPECT_EQ(layers["transformer.h.3.mlp.c_proj"]["transposed"], true);
  const std::set<std::string> names = names_in(out());
  EXPECT_FALSE(names.contains("lm_head.weight"));
  EXPECT_TRUE(names.contains("transformer.wte.weight_scale"));
  const auto before = fs::file_size(yelp / "model.safetensors"),
             after = fs::file_size(out() + "/model.safetensors");
  EXPECT_LT(static_cast<double>(after), 0.3 * static_cast<double>(before));
}

// The cost of INT8 on the texts of gpt2-yelp, half of the 0.5 % that it may cost.
TEST_F(QuantizeGpt2, PerplexityGrowsByLessThanAQuarterOfAPercent) {
  LINNET_NEEDS(yelp);
  for (const char* file : {"test.txt", "valid.txt"}) {
    const std::string text = beginning(file, 12'000);
    const double exact = perplexity(yelp.string(), text);
    const double loaded = perplexity(yelp.string(), text, {"--dtype", "int8"});
    EXPECT_LT(loaded / exact, 1.0025) << file;
    EXPECT_NE(loaded, exact) << file;
    for (const char* scheme : {"plain", "rotated"}) {
      ASSERT_EQ(quantize(yelp.string(), out(), {"--force", "--scheme", scheme}).exit_code, 0);
      const double written = perplexity(out(), text);
      EXPECT_LT(written / exact, 1.0025) << file << " " << scheme;
      EXPECT_NE(written, exact);
      EXPECT_NE(written, loaded);
    }
  }
}

TEST_F(QuantizeGpt2, TheScoreIsRecordedAndMayForbid) {
  LINNET_NEEDS(yelp);
  const std::string text = beginning("test.txt", 20'000);
  const Finished done =
      quantize(yelp.string(), out(), {"--eval-file", text, "--max-drop", "0.005", "--json"});
  ASSERT_EQ(done.exit_code, 0) << done.err;
  const json score = json::parse(done.out)["quality"][0];
  EXPECT_EQ(score["metric"], "perplexity");
  EXPECT_DOUBLE_EQ(score["before"].get<double>(), perplexity(yelp.string(), text));
  EXPECT_DOUBLE_EQ(score["after"].get<double>(), perplexity(out(), text));
  EXPECT_EQ(manifest()["quality"][0], score);
  const Finished worse = quantize(yelp.string(), dir_.path("no"),
                                  {"--eval-file", text, "--max-drop", "0", "--scheme", "plain"});
  EXPECT_EQ(worse.exit_code, 1);
  EXPECT_NE(worse.err.find("perplexity on test.txt grew from"), std::string::npos) << worse.err;
  EXPECT_FALSE(fs::exists(dir_.path("no")));
}

TEST_F(QuantizeGpt2, GenerationIsThatOfTheCacheAndOfAnyBatch) {
  LINNET_NEEDS(yelp);
  ASSERT_EQ(quantize(yelp.string(), out()).exit_code, 0);
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

// The floats that a plain model stands for have the same integers, in the places of the original.
TEST_F(QuantizeGpt2, ExportGivesTheFloatsItStandsFor) {
  LINNET_NEEDS(goldens / "gpt2_lm");
  const std::string from = (goldens / "gpt2_lm").string();
  for (const char* scheme : {"plain", "rotated"}) {
    ASSERT_EQ(quantize(from, out(), {"--force", "--scheme", scheme}).exit_code, 0);
    const Finished exported = export_back({"--force"});
    ASSERT_EQ(exported.exit_code, 0) << exported.err;
    const weights::Checkpoint a(from), b(back());
    ASSERT_EQ(a.tensors().size(), b.tensors().size());
    for (std::size_t i = 0; i < a.tensors().size(); ++i) {
      const weights::TensorView &x = a.tensors()[i], &y = b.tensors()[i];
      ASSERT_EQ(x.name, y.name);
      ASSERT_TRUE(std::equal(x.shape.begin(), x.shape.end(), y.shape.begin(), y.shape.end()));
      if (x.dtype != weights::DType::kF32) continue;
      double square = 0, error = 0;
      for (std::int64_t e = 0; e < x.elements(); ++e) {
        float want = 0, got = 0;
        std::memcpy(&want, x.bytes.data() + e * 4, 4);
        std::memcpy(&got, y.bytes.data() + e * 4, 4);
        square += double{want} * want;
        error += (double{want} - got) * (double{want} - got);
      }
      EXPECT_LT(std::sqrt(error), 0.015 * std::sqrt(square)) << scheme << " " << x.name;
    }
  }
  ASSERT_EQ(quantize(from, out(), {"--force", "--scheme", "plain"}).exit_code, 0);
  ASSERT_EQ(export_back({"--force"}).exit_code, 0);
  ASSERT_EQ(quantize(back(), dir_.path("again"), {"--scheme", "plain"}).exit_code, 0);
  const weights::Checkpoint a(out()), b(dir_.path("again"));
  for (std::size_t i = 0; i < a.tensors().size(); ++i) {
    const weights::TensorView &x = a.tensors()[i], &y = b.tensors()[i];
    ASSERT_EQ(x.name, y.name);
    if (x.name.find("scale") != x.name.npos) continue;  // may differ in the last bit
    EXPECT_TRUE(std::equal(x.bytes.begin(), x.bytes.end(), y.bytes.begin(), y.bytes.end()))
        << x.name;
  }
}

TEST_F(QuantizeGpt2, LayersCanStayInFp32) {
  const fs::path golden = goldens / "gpt2_lm";
  LINNET_NEEDS(golden);
  const Finished done = quantize(golden.string(), out(),
                                 {"--keep-fp32", "wte", "--keep-fp32", "mlp.c_proj", "--json"});
  ASSERT_EQ(done.exit_code, 0) << done.err;
  const json report = json::parse(done.out);
  const std::size_t kept = report["quantization"]["kept_fp32"].size();
  EXPECT_GE(kept, 3u);
  EXPECT_TRUE(names_in(out()).contains("transformer.wte.weight"));
  EXPECT_FALSE(report["layers"].contains("transformer.wte"));
  EXPECT_TRUE(report["layers"].contains("transformer.h.0.mlp.c_fc"));
  const fs::path io = golden / "io.safetensors";
  EXPECT_TRUE(forward(out(), io, {"--isa", "reference"}) == forward(out(), io, {"--threads", "3"}));
}

TEST_F(QuantizeGpt2, NoisyLayersStayInFp32) {
  LINNET_NEEDS(yelp);
  const Finished done = quantize(yelp.string(), out(),
                                 {"--scheme", "plain", "--keep-below", "35", "--report", "--json"});
  ASSERT_EQ(done.exit_code, 0) << done.err;
  const json result = json::parse(done.out);
  EXPECT_EQ(result["quantization"]["kept_fp32"],
            json::array({"h.1.mlp.c_proj", "h.2.mlp.c_proj", "h.3.mlp.c_proj"}));
  EXPECT_EQ(manifest()["steps"][1]["kept_fp32"], result["quantization"]["kept_fp32"]);
  EXPECT_FALSE(names_in(out()).contains("transformer.h.1.mlp.c_proj.weight_scale"));
  ASSERT_EQ(result["report"].size(), 1);
  for (const json& layer : result["report"][0]["layers"]) {
    const bool kept = layer["layer"] == "mlp.c_proj" && layer["block"] != 0;
    EXPECT_EQ(layer["snr_db"] == 200.0, kept) << layer;
    EXPECT_GE(layer["snr_db"], 35.0) << layer;
  }
  EXPECT_EQ(result["report"][0]["layers"].size(), 17);
  EXPECT_GT(result["report"][0]["least_cosine"], 0.9999);
}

TEST_F(QuantizeGpt2, OtherCommandsTakeIt) {
  const fs::path golden = goldens / "gpt2_lm";
  LINNET_NEEDS(golden);
  ASSERT_EQ(convert(golden.string(), {"--verify"}).exit_code, 0);
  ASSERT_EQ(export_back().exit_code, 0);
  expect_same_tensors(back(), golden.string());
  fs::remove_all(out());
  ASSERT_EQ(convert(golden.string(), {"--quantization", "int8"}).exit_code, 0);
  for (const std::string& model : {golden.string(), out()}) {
    const Finished seen = run_words({LINNET_PROGRAM, "inspect", "--model", model, "--json"}, {});
    ASSERT_EQ(seen.exit_code, 0) << seen.err;
    const json inspection = json::parse(seen.out);
    EXPECT_EQ(inspection["model"]["type"], "gpt2");
    EXPECT_GT(inspection["memory"]["cache_bytes"], 0);
    for (const json& tensor : inspection["tensors"]) {
      EXPECT_NE(tensor["fate"], "unexpected") << tensor;
    }
  }
  const Finished measured = run_words({LINNET_PROGRAM, "bench", "model", "--model", out(),
                                       "--n-prompt", "8", "--repetitions", "1", "--format", "json"},
                                      {});
  ASSERT_EQ(measured.exit_code, 0) << measured.err;
}

TEST_F(QuantizeGpt2, RefusesWhatItCannotDo) {
  const fs::path golden = goldens / "gpt2_lm";
  LINNET_NEEDS(golden);
  const auto refuses = [&](const Words& more, const std::string& part) {
    const Finished done = quantize(golden.string(), out(), more);
    EXPECT_EQ(done.exit_code, 1) << done.out;
    EXPECT_NE(done.err.find(part), std::string::npos) << done.err;
    EXPECT_FALSE(fs::exists(out()));
  };
  refuses({"--attention", "i8"}, "FP32 only");
  refuses({"--scheme", "calibrated"}, "without calibration");
  refuses({"--keep-fp32", "wte", "--keep-fp32", "c_attn", "--keep-fp32", "c_proj", "--keep-fp32",
           "c_fc"},
          "every layer would stay in FP32");
  refuses({"--keep-fp32", "output.dense"}, "the first is \"h.0.attn.c_attn\"");
  ASSERT_EQ(quantize(golden.string(), out()).exit_code, 0);
  const fs::path io = golden / "io.safetensors";
  for (const Words& more : {Words{"--dtype", "int8"}, Words{"--precision", "bf16"}}) {
    const Finished done = run_words({LINNET_PROGRAM, "forward", "--model", out(), "--inputs",
                                     io.string(), "--output", dir_.path("y"), "--force"},
                                    more);
    EXPECT_EQ(done.exit_code, 1);
    EXPECT_NE(done.err.find("quantised already"), std::string::npos) << done.err;
  }
  const json good = manifest();
  const auto with = [&](const std::string& pointer, const json& value, const std::string& part) {
    json changed = good;
    changed[json::json_pointer(pointer)] = value;
    dir_.write("out/linnet.json", changed.dump());
    loading_refuses(part, io);
  };
  const std::string layer = "/layers/transformer.h.0.attn.c_proj";
  with(layer + "/transposed", false, "is made of other weights");
  with(layer + "/K", 16, "is not made of");
  with("/layers/transformer.wte/input_factors", true, "input factors for \"wte\"");
  with("/layers/transformer.wte/format", "i8_rows", "i8_rows");
  with("/steps/1/attention", "i8", "in \"f32\" only");
  with("/steps/1/kept_fp32", json::array({"h.0.mlp.c_fc"}), "and kept in FP32 too");
  with("/steps/1/kept_fp32", json::array({"lm_head"}), "quantised layers, this model knows");
  dir_.write("out/linnet.json", good.dump());
  std::string file = dir_.read("out/model.safetensors");
  std::uint64_t header = 0;
  std::memcpy(&header, file.data(), 8);
  const json entry = json::parse(file.substr(8, header)).at("transformer.wte.weight");
  file[8 + header + entry["data_offsets"][0].get<std::size_t>()] ^= 1;  // a sum of a column
  dir_.write("out/model.safetensors", file);
  loading_refuses("is not packed INT8", io);
}

}  // namespace
}  // namespace linnet::test
