// linnet quantize from outside: the same bytes everywhere, the way back, and what it refuses.
#include <chrono>
#include <fstream>
#include <thread>

#include "tests/tools/convert_fixture.h"
#include "tests/tools/convert_models.h"

namespace linnet::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// Programs with sanitizers take ten times as long: of the larger cases they see a part.
#ifdef LINNET_SANITIZED
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

class Quantize : public ConvertFixture {
 protected:
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
  // Expects exit code `code`, a message with `part`, and no directory left.
  void refuses(const std::string& part, const Words& more = {}, int code = 1) const {
    const std::ptrdiff_t before = dir_.entries();
    const Finished done = quantize(model(), out(), more);
    EXPECT_EQ(done.exit_code, code) << "signal " << done.signal << " " << done.out;
    EXPECT_NE(done.err.find(part), std::string::npos) << done.err << "expected: " << part;
    EXPECT_EQ(dir_.entries(), before) << "something is left";
  }
  // The quantised model with a change is refused by every command, with a message.
  void loading_refuses(const std::string& part) const {
    const Finished done =
        run({.arguments = {LINNET_PROGRAM, "forward", "--model", out(), "--inputs", inputs(),
                           "--output", dir_.path("y"), "--force"}});
    EXPECT_EQ(done.exit_code, 1) << "signal " << done.signal << " " << done.out;
    EXPECT_NE(done.err.find(part), std::string::npos) << done.err << "expected: " << part;
  }
  std::string inputs() const {
    const std::string ids("\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0", 24);
    const std::string ones("\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0", 24);
    dir_.write("inputs.safetensors", safetensors_bytes({{"input_ids", "I64", {1, 3}, ids},
                                                        {"attention_mask", "I64", {1, 3}, ones}}));
    return dir_.path("inputs.safetensors");
  }
  void write_small() const { small_bert("bert.").write(dir_); }
  json manifest() const { return json::parse(dir_.read("out/linnet.json")); }
  void write_manifest(const json& changed) const { dir_.write("out/linnet.json", changed.dump()); }
  std::string weights_of(const std::string& folder) const {
    return dir_.read(folder + "/model.safetensors");
  }
  // Overwrites bytes of a tensor of the quantised model.
  void poke(const std::string& tensor, std::size_t at, const std::string& bytes) const {
    std::string file = weights_of("out");
    std::uint64_t header = 0;
    std::memcpy(&header, file.data(), 8);
    const json entry = json::parse(file.substr(8, header)).at(tensor);
    const std::size_t begin = 8 + header + entry["data_offsets"][0].get<std::size_t>();
    file.replace(begin + at, bytes.size(), bytes);
    dir_.write("out/model.safetensors", file);
  }
};

std::string bytes_of(float value) { return {reinterpret_cast<const char*>(&value), sizeof value}; }

// KiB of a process in a mapped file, each page divided by the processes that have it.
std::int64_t proportional_kib(pid_t pid, const std::string& file) {
  std::ifstream maps("/proc/" + std::to_string(pid) + "/smaps");
  std::int64_t sum = 0;
  bool inside = false;
  for (std::string line; std::getline(maps, line);) {
    if (line.find('-') != line.npos && line.find(' ') > line.find('-')) {
      inside = line.ends_with(file);
    } else if (inside && line.starts_with("Pss:")) {
      sum += std::stoll(line.substr(4));
    }
  }
  return sum;
}

bool is_encoder(const std::string& name) {
  return name.starts_with("bert_") || name.starts_with("distilbert_") || name.starts_with("st_") ||
         name.starts_with("ce_");
}

// Every head and spelling that the goldens have: the file runs, and gives the same bytes at every
// level and for any number of threads.
TEST_F(Quantize, GivesTheSameBytesAtEveryLevel) {
  LINNET_NEEDS(goldens);
  int cases = 0;
  for (const auto& entry : fs::directory_iterator(goldens)) {
    if (!is_encoder(entry.path().filename().string())) continue;
    if (++cases % 8 != 0 && kSanitized) continue;
    SCOPED_TRACE(entry.path());
    const Finished done = quantize(entry.path().string(), out(), {"--force", "--json"});
    ASSERT_EQ(done.exit_code, 0) << done.err;
    EXPECT_EQ(json::parse(done.out)["quantization"]["scheme"], "rotated");
    const fs::path io = entry.path() / "io.safetensors";
    const std::string expected = forward(out(), io, {"--isa", "reference", "--threads", "1"});
    EXPECT_TRUE(forward(out(), io, {"--isa", "avx2", "--threads", "3"}) == expected);
    EXPECT_TRUE(forward(out(), io) == expected);  // the best of the machine
  }
  EXPECT_GE(cases, 60);
}

TEST_F(Quantize, IsTheSameFileForAnyThreadsAndLevel) {
  const fs::path golden = goldens / "bert_seqcls", minilm = minilm_dir();
  LINNET_NEEDS(golden);
  const auto same = [&](const std::string& from, const char* scheme) {
    const Words more{"--scheme", scheme, "--force"};
    Words one = more, three = more;
    one.insert(one.end(), {"--threads", "1", "--isa", "avx2"});
    three.insert(three.end(), {"--threads", "3"});
    ASSERT_EQ(quantize(from, dir_.path("a"), one).exit_code, 0);
    ASSERT_EQ(quantize(from, dir_.path("b"), three).exit_code, 0);
    EXPECT_TRUE(weights_of("a") == weights_of("b")) << scheme;
    EXPECT_EQ(dir_.read("a/linnet.json"), dir_.read("b/linnet.json")) << scheme;
  };
  same(golden.string(), "plain");
  same(golden.string(), "rotated");
  LINNET_NEEDS(minilm);
  if (!kSanitized) same(minilm.string(), "calibrated");
}

TEST_F(Quantize, ACalibrationTextMustBeLongEnough) {
  const fs::path minilm = minilm_dir();
  LINNET_NEEDS(minilm);
  dir_.write("empty.txt", "\n \n");
  dir_.write("short.txt", "One line of text.\n");
  dir_.write("bad.txt", "caf\xE9\n");
  const auto refused = [&](const char* file, const std::string& part) {
    const Finished done = quantize(minilm.string(), out(), {"--calibration-file", dir_.path(file)});
    EXPECT_EQ(done.exit_code, 1) << done.err;
    EXPECT_NE(done.err.find(part), std::string::npos) << done.err;
    EXPECT_FALSE(fs::exists(out()));
  };
  refused("absent.txt", "absent.txt");
  refused("empty.txt", "has 0 tokens, a calibration takes at least");
  refused("short.txt", "has 7 tokens");
  refused("bad.txt", "bad.txt");
  std::string text;
  for (int i = 0; i < 80; ++i)
    text += "A sentence of the calibration, number " + std::to_string(i) + ".\n";
  dir_.write("enough.txt", text);
  ASSERT_EQ(
      quantize(minilm.string(), out(), {"--calibration-file", dir_.path("enough.txt")}).exit_code,
      0);
  const json step = manifest()["steps"][1];
  EXPECT_EQ(step["scheme"], "calibrated");
  EXPECT_EQ(step["calibration"], "enough.txt");
  EXPECT_GT(step["calibration_tokens"], 800);
}

// The floats that a plain model stands for have the same integers: q and scale come back.
TEST_F(Quantize, ExportGivesTheFloatsItStandsFor) {
  LINNET_NEEDS(goldens / "bert_seqcls");
  const std::string from = (goldens / "bert_seqcls").string();
  ASSERT_EQ(quantize(from, out(), {"--scheme", "plain"}).exit_code, 0);
  const Finished exported = export_back();
  ASSERT_EQ(exported.exit_code, 0) << exported.err;
  EXPECT_EQ(names_in(back()), names_in(from));
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

TEST_F(Quantize, LayersCanStayInFp32) {
  write_small();
  const Finished done =
      quantize(model(), out(),
               {"--keep-fp32", "output.dense", "--keep-fp32", "0.attention.self.qkv", "--json"});
  ASSERT_EQ(done.exit_code, 0) << done.err;
  const json report = json::parse(done.out);
  EXPECT_EQ(report["layers"].size(), 4);  // the words, both intermediate layers, one qkv
  EXPECT_EQ(report["quantization"]["kept_fp32"].size(), 5);
  EXPECT_TRUE(names_in(out()).contains("encoder.layer.0.attention.self.query.weight"));
  EXPECT_FALSE(names_in(out()).contains("encoder.layer.1.attention.self.query.weight"));
  forward(out(), inputs());
  const std::ptrdiff_t before = dir_.entries();
  const Finished none = quantize(model(), dir_.path("no"), {"--keep-fp32", "mlp.c_proj"});
  EXPECT_EQ(none.exit_code, 1);
  EXPECT_NE(none.err.find("no layer is named \"mlp.c_proj\""), std::string::npos) << none.err;
  EXPECT_EQ(dir_.entries(), before);
}

TEST_F(Quantize, RefusesBadInput) {
  refuses("No such file");
  write_small();
  refuses("--scheme", {"--scheme", "int3"}, 2);
  refuses("for --scheme calibrated", {"--scheme", "plain", "--calibration-file", "x"}, 2);
  refuses("tokenizer", {"--scheme", "calibrated"});
  refuses("unknown type q4", {"q4"}, 2);
  dir_.write("out/notes.txt", "mine");
  refuses("out");
  fs::remove_all(out());

  SmallModel longer = small_bert("bert.");
  longer.config["max_position_embeddings"] = 65537;
  longer.write(dir_);
  refuses("INT8 attention is exact for at most 65536 positions");

  SmallModel broken = small_bert("bert.");
  broken.set("bert.encoder.layer.0.output.dense.weight", 3, std::nanf(""));
  broken.write(dir_);
  refuses("element 3 is not finite");
}

TEST_F(Quantize, AZeroChannelIsZero) {
  SmallModel zero = small_bert("bert.");
  for (std::size_t k = 0; k < 16; ++k) zero.set("bert.encoder.layer.0.output.dense.weight", k, 0);
  zero.write(dir_);
  ASSERT_EQ(quantize(model(), out()).exit_code, 0);
  forward(out(), inputs());
}

TEST_F(Quantize, ConvertDoesTheSame) {
  write_small();
  ASSERT_EQ(quantize(model(), dir_.path("a")).exit_code, 0);
  const Finished done = convert(model(), {"--quantization", "int8"});
  ASSERT_EQ(done.exit_code, 0) << done.err;
  EXPECT_TRUE(weights_of("a") == weights_of("out"));
  EXPECT_EQ(dir_.read("a/linnet.json"), dir_.read("out/linnet.json"));
  EXPECT_EQ(convert(model(), {"--dtype", "int8", "--verify"}).exit_code, 2);
}

TEST_F(Quantize, ACopyAndLockedPagesComputeTheSame) {
  write_small();
  ASSERT_EQ(quantize(model(), out()).exit_code, 0);
  const std::string mapped = forward(out(), inputs());
  EXPECT_TRUE(forward(out(), inputs(), {"--weights", "copy"}) == mapped);
  EXPECT_TRUE(forward(out(), inputs(), {"--mlock"}) == mapped);
  EXPECT_TRUE(forward(out(), inputs(), {"--weights", "copy", "--mlock"}) == mapped);
}

// Two processes on one model have its pages once: each counts half of them.
TEST_F(Quantize, ProcessesShareThePagesOfTheFile) {
  if (kSanitized) GTEST_SKIP() << "sanitizers lock nothing";
  const fs::path minilm = minilm_dir();
  LINNET_NEEDS(minilm);
  ASSERT_EQ(quantize(minilm.string(), out()).exit_code, 0);
  const std::string file = "/out/model.safetensors";
  const auto kib = static_cast<std::int64_t>(fs::file_size(out() + "/model.safetensors") / 1024);
  const Words words{LINNET_PROGRAM, "embed", "--model", out(), "--mlock"};
  const Finished alone = run({.arguments = words, .input = "text\n"});
  if (alone.exit_code != 0) GTEST_SKIP() << alone.err;  // the system locks no memory for us
  // They wait for text with the model locked in memory.
  Child one(words), two(words);
  std::int64_t both = 0;
  for (int tries = 0; tries < 600 && both < kib * 8 / 10; ++tries) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    const std::int64_t a = proportional_kib(one.pid(), file), b = proportional_kib(two.pid(), file);
    if (a > kib * 3 / 10 && b > kib * 3 / 10) both = a + b;
  }
  EXPECT_GT(both, kib * 8 / 10);  // INT8 layers and words; the rest is copied
  EXPECT_LE(both, kib + 4);
}

TEST_F(Quantize, RefusesWhatIsQuantisedAlready) {
  write_small();
  ASSERT_EQ(quantize(model(), out()).exit_code, 0);
  const Finished twice = quantize(out(), back());
  EXPECT_EQ(twice.exit_code, 1);
  EXPECT_NE(twice.err.find("quantised already"), std::string::npos) << twice.err;
  for (const Words& more : {Words{"--dtype", "int8"}, Words{"--precision", "bf16"}}) {
    const Finished run = run_words({LINNET_PROGRAM, "forward", "--model", out(), "--inputs",
                                    inputs(), "--output", dir_.path("y")},
                                   more);
    EXPECT_EQ(run.exit_code, 1);
    EXPECT_NE(run.err.find("quantised already"), std::string::npos) << run.err;
  }
}

TEST_F(Quantize, AFileThatContradictsItselfIsRefused) {
  write_small();
  ASSERT_EQ(quantize(model(), out()).exit_code, 0);
  const json good = manifest();
  const std::string qkv = "encoder.layer.0.attention.self.qkv";
  const auto with = [&](const std::string& pointer, const json& value, const std::string& part) {
    json changed = good;
    changed[json::json_pointer(pointer)] = value;
    write_manifest(changed);
    loading_refuses(part);
  };
  const std::string layer = "/layers/" + qkv;
  with(layer + "/K", 16, "is not made of");
  with(layer + "/rotation/n", 3, "power of two");
  with(layer + "/rotation/n", 64, "32");
  with(layer + "/input_factors", true, qkv + ".input_factors");
  with(layer + "/format", "i8_rows", "neither rotation nor factors");
  with("/format_version", 2, "newer");
  with("/steps/1/attention", "i2", "attention");
  with("/steps/1/kept_fp32", json::array({"encoder.layer.0.output.dense"}), "and kept in FP32 too");
  with("/steps/1/kept_fp32", json::array({"encoder.layer.9.output.dense"}), "does not have");
  json missing = good;
  for (const json& part : missing["layers"][qkv]["of"]) missing["names"].erase(part);
  missing["layers"].erase(qkv);
  write_manifest(missing);
  loading_refuses("neither in INT8 nor kept in FP32");
  json renamed = good;
  renamed["layers"]["encoder.layer.7.attention.self.qkv"] = renamed["layers"][qkv];
  renamed["layers"].erase(qkv);
  write_manifest(renamed);
  loading_refuses("is not made of");
  fs::remove(dir_.path("out/linnet.json"));
  loading_refuses("is stored as I8");
  write_manifest(good);
  const std::string config = dir_.read("out/config.json");
  json longer = json::parse(config);
  longer["max_position_embeddings"] = 65537;
  dir_.write("out/config.json", longer.dump());
  loading_refuses("at most 65536 positions");
  dir_.write("out/config.json", config);
  forward(out(), inputs());

  const std::string weights = weights_of("out");
  for (const float bad : {std::nanf(""), -1.0f, HUGE_VALF}) {
    poke(qkv + ".weight_scale", 4, bytes_of(bad));
    loading_refuses("expected a number of 0 or more");
  }
  dir_.write("out/model.safetensors", weights);
  poke(qkv + ".weight", 0, "\x01");  // a sum
  loading_refuses("is not packed INT8");
  dir_.write("out/model.safetensors", weights);
  poke(qkv + ".weight", 24 * 4 + 70, "\x80");  // -128
  loading_refuses("is not packed INT8");
}

TEST_F(Quantize, AWeightThatIsThereTwiceIsRefused) {
  write_small();
  ASSERT_EQ(quantize(model(), out()).exit_code, 0);
  std::vector<TensorBytes> tensors;
  const weights::Checkpoint quantized(out()), original(model());
  const auto add = [&](const weights::TensorView& t, const std::string& name) {
    tensors.push_back({name,
                       weights::name(t.dtype),
                       {t.shape.begin(), t.shape.end()},
                       {reinterpret_cast<const char*>(t.bytes.data()), t.bytes.size()}});
  };
  for (const weights::TensorView& t : quantized.tensors()) add(t, std::string(t.name));
  const std::string key = "encoder.layer.0.attention.self.key.weight";
  add(*original.find("bert." + key), key);
  dir_.write("out/model.safetensors", safetensors_bytes(tensors));
  loading_refuses("in INT8 as part of layer");
}

}  // namespace
}  // namespace linnet::test
