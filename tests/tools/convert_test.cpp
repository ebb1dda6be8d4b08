// convert_weights and linnet export on the goldens, from outside: what is written computes the
// same, and the original comes back bit for bit.
#include "tests/tools/convert_fixture.h"

namespace linnet::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class Convert : public ConvertFixture {
 protected:
  // The bytes that `linnet forward` writes.
  std::string forward(const std::string& from, const fs::path& inputs) const {
    const Finished done =
        run({.arguments = {LINNET_PROGRAM, "forward", "--model", from, "--inputs", inputs.string(),
                           "--output", dir_.path("y"), "--force"}});
    EXPECT_EQ(done.exit_code, 0) << done.err;
    return dir_.read("y");
  }
};

bool is_encoder(const std::string& name) {
  return name.starts_with("bert_") || name.starts_with("distilbert_") || name.starts_with("st_") ||
         name.starts_with("ce_");
}

// Prefixes, old names, shards, buffers, heads, stored types: all that the goldens have.
TEST_F(Convert, ComputesTheSameAndComesBackBitForBit) {
  LINNET_NEEDS(goldens);
  int cases = 0;
  for (const auto& entry : fs::directory_iterator(goldens)) {
    if (!is_encoder(entry.path().filename().string())) continue;
    const std::string source = entry.path().string();
    SCOPED_TRACE(source);
    const Finished done = convert(source, {"--force", "--verify", "--json", "--strict"});
    ASSERT_EQ(done.exit_code, 0) << done.err;
    const weights::Checkpoint original(source);
    EXPECT_EQ(json::parse(done.out)["tensors"].size(), original.tensors().size());
    const fs::path io = entry.path() / "io.safetensors";
    const std::string expected = forward(source, io);
    EXPECT_EQ(forward(out(), io), expected);
    const Finished exported = export_back({"--force", "--max-shard-size", "20KB"});
    ASSERT_EQ(exported.exit_code, 0) << exported.err;
    expect_same_tensors(back(), source);
    EXPECT_EQ(forward(back(), io), expected);
    ++cases;
  }
  EXPECT_GE(cases, 60);
}

TEST_F(Convert, FloatsThatFitComeBackFromFloat32) {
  for (const char* name : {"bert_seqcls_f16", "bert_seqcls_bf16"}) {
    LINNET_NEEDS(goldens / name);
    const std::string source = (goldens / name).string();
    const Finished done = convert(source, {"--force", "--dtype", "float32", "--json"});
    ASSERT_EQ(done.exit_code, 0) << done.err;
    const json account = json::parse(done.out)["account"];
    EXPECT_GT(account["converted"], 20);
    EXPECT_EQ(account["rounded"], 0);
    const fs::path io = goldens / name / "io.safetensors";
    EXPECT_EQ(forward(out(), io), forward(source, io));
    ASSERT_EQ(export_back({"--force"}).exit_code, 0);
    expect_same_tensors(back(), source);
  }
}

TEST_F(Convert, RoundingIsCounted) {
  LINNET_NEEDS(goldens / "bert_seqcls_f64");
  for (const char* type : {"float32", "float16", "bfloat16"}) {
    const Finished done = convert((goldens / "bert_seqcls_f64").string(),
                                  {"--force", "--dtype", type, "--json", "--verify"});
    ASSERT_EQ(done.exit_code, 0) << done.err;
    const json report = json::parse(done.out);
    EXPECT_GT(report["account"]["rounded"], 20);
    EXPECT_LT(report["bytes_written"], report["bytes_read"]);
    const Finished exported = export_back({"--force", "--json"});
    ASSERT_EQ(exported.exit_code, 0) << exported.err;
    EXPECT_EQ(json::parse(exported.out)["rounded"], report["account"]["rounded"]);
    const weights::Checkpoint restored(back());
    EXPECT_EQ(restored.find("classifier.weight")->dtype, weights::DType::kF64);
  }
}

TEST_F(Convert, OptionsOfOtherConverters) {
  LINNET_NEEDS(goldens / "bert_seqcls_f64");
  const std::string source = (goldens / "bert_seqcls_f64").string();
  ASSERT_EQ(convert(source, {"--dtype", "float16"}).exit_code, 0);
  const std::string weights = dir_.read("out/model.safetensors");
  const Finished other = convert(source, {"--force", "--quantization", "float16", "--revision",
                                          "main", "--low_cpu_mem_usage"});
  ASSERT_EQ(other.exit_code, 0) << other.err;
  EXPECT_EQ(dir_.read("out/model.safetensors"), weights);
  EXPECT_EQ(other.err, "note: --revision is ignored\nnote: --low-cpu-mem-usage is ignored\n");
  EXPECT_EQ(
      convert(source, {"--force", "--dtype", "float32", "--quantization", "float16"}).exit_code, 2);
}

TEST_F(Convert, ShardsHaveTheSizeAskedFor) {
  LINNET_NEEDS(goldens / "bert_base");
  ASSERT_EQ(convert((goldens / "bert_base").string()).exit_code, 0);
  const std::int64_t limit = 30'000;
  ASSERT_EQ(export_back({"--max-shard-size", "30KB"}).exit_code, 0);
  const weights::Checkpoint sharded(back());
  EXPECT_GE(sharded.files().size(), 3U);
  for (const weights::Safetensors& file : sharded.files()) {
    std::int64_t bytes = 0;
    for (const auto& t : file.tensors()) bytes += static_cast<std::int64_t>(t.bytes.size());
    EXPECT_TRUE(bytes <= limit || file.tensors().size() == 1) << file.file().name();
  }
  EXPECT_TRUE(sharded.warnings().empty());
  for (const char* bad : {"", "0", "-1", "5 GB", "5TB", "99999999999GB", "1e9", "MB"}) {
    const Finished done = export_back({"--force", "--max-shard-size", bad});
    EXPECT_EQ(done.exit_code, 2) << bad;
    EXPECT_NE(done.err.find("--max-shard-size"), std::string::npos) << done.err;
  }
}

TEST_F(Convert, TheSameInputGivesTheSameBytes) {
  LINNET_NEEDS(goldens / "bert_gamma_beta");
  const std::string source = (goldens / "bert_gamma_beta").string();
  ASSERT_EQ(convert(source).exit_code, 0);
  const std::string weights = dir_.read("out/model.safetensors"),
                    manifest = dir_.read("out/linnet.json");
  ASSERT_EQ(convert(source, {"--force", "--verify"}).exit_code, 0);
  EXPECT_EQ(dir_.read("out/model.safetensors"), weights);
  EXPECT_EQ(dir_.read("out/linnet.json"), manifest);
}

TEST_F(Convert, TheProgramIsTheCommand) {
  const Finished a = run({.arguments = {LINNET_PROGRAM, "convert", "--help"}});
  const Finished b = run({.arguments = {LINNET_CONVERT_WEIGHTS, "--help"}});
  EXPECT_EQ(a.exit_code, 0);
  EXPECT_EQ(a.out, b.out);
  EXPECT_EQ(run({.arguments = {LINNET_CONVERT_WEIGHTS, "--version"}}).out,
            run({.arguments = {LINNET_PROGRAM, "--version"}}).out);
  EXPECT_EQ(run({.arguments = {LINNET_CONVERT_WEIGHTS}}).exit_code, 2);
}

}  // namespace
}  // namespace linnet::test
