// convert_weights from outside: what it writes computes the same, every tensor is accounted for,
// and the directory is complete or absent.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/data.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "weights/checkpoint.h"

namespace linnet::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class Convert : public testing::Test {
 protected:
  const fs::path goldens = data_dir() / "goldens";
  std::string out() const { return dir_.path("out"); }

  Finished convert(const fs::path& model, std::vector<std::string> more = {}) const {
    std::vector<std::string> words{LINNET_CONVERT_WEIGHTS, "--model", model.string(),
                                   "--output-dir", out()};
    words.insert(words.end(), more.begin(), more.end());
    return run({.arguments = std::move(words)});
  }
  // The bytes that `linnet forward` writes.
  std::string forward(const fs::path& model, const fs::path& inputs) const {
    const std::string file = dir_.path("y.safetensors");
    const Finished done =
        run({.arguments = {LINNET_PROGRAM, "forward", "--model", model.string(), "--inputs",
                           inputs.string(), "--output", file, "--force"}});
    EXPECT_EQ(done.exit_code, 0) << done.err;
    return dir_.read("y.safetensors");
  }

  TempDir dir_;
};

// Every encoder of the goldens: prefixes, old names, shards, buffers, heads, stored types.
TEST_F(Convert, ComputesTheSameBytes) {
  LINNET_NEEDS(goldens);
  int cases = 0;
  for (const auto& entry : fs::directory_iterator(goldens)) {
    const std::string name = entry.path().filename().string();
    const bool ours = name.starts_with("bert_") || name.starts_with("distilbert_") ||
                      name.starts_with("st_") || name.starts_with("ce_");
    if (!ours) continue;
    SCOPED_TRACE(name);
    const Finished done = convert(entry.path(), {"--force", "--verify", "--json", "--strict"});
    ASSERT_EQ(done.exit_code, 0) << done.err;
    const json account = json::parse(done.out);
    const weights::Checkpoint source(entry.path());
    EXPECT_EQ(account["tensors"].size(), source.tensors().size());
    const fs::path io = entry.path() / "io.safetensors";
    EXPECT_EQ(forward(entry.path(), io), forward(out(), io));
    ++cases;
  }
  EXPECT_GE(cases, 60);
}

}  // namespace
}  // namespace linnet::test
