// --backend onednn from outside: the program finds its plug-in, and answers as it does without.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/support/data.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace linnet::test {
namespace {

using Json = nlohmann::json;

Finished linnet(std::vector<std::string> words,
                std::vector<std::pair<std::string, std::string>> environment = {}) {
  words.insert(words.begin(), LINNET_PROGRAM);
  return run({.arguments = std::move(words), .environment = std::move(environment)});
}

/// What `linnet version` says about oneDNN; null when this build has no plug-in.
Json onednn_version() { return Json::parse(linnet({"version", "--json"}).out).at("onednn"); }

// Texts of 1 to 200 words: passes of all lengths.
std::string texts() {
  std::string out;
  for (int words : {1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 200}) {
    for (int i = 0; i < words; ++i)
      out += i % 3 == 0 ? "a ride " : i % 3 == 1 ? "the mess " : "bold ";
    out += '\n';
  }
  return out;
}

std::vector<std::vector<double>> embed(const std::string& file, const std::string& backend,
                                       const std::string& threads) {
  const Finished done = linnet({"embed", "--model", minilm_dir().string(), "--input", file,
                                "--backend", backend, "--threads", threads});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_EQ(done.err.find("note: backend oneDNN ") != std::string::npos, backend == "onednn");
  std::vector<std::vector<double>> rows;
  std::istringstream lines(done.out);
  for (std::string line; std::getline(lines, line);) {
    rows.push_back(Json::parse(line).at("embedding").get<std::vector<double>>());
  }
  return rows;
}

double cosine(const std::vector<double>& a, const std::vector<double>& b) {
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    ab += a[i] * b[i], aa += a[i] * a[i], bb += b[i] * b[i];
  return ab / std::sqrt(aa * bb);
}

TEST(OneDnnProgram, EmbedsAsLinnetDoes) {
  LINNET_NEEDS(minilm_dir());
  if (onednn_version().is_null()) GTEST_SKIP() << "this build has no oneDNN plug-in";
  const TempDir dir;
  dir.write("texts.txt", texts());
  const auto want = embed(dir.path("texts.txt"), "linnet", "2");
  ASSERT_EQ(want.size(), 12u);
  for (const char* threads : {"1", "2", "3"}) {
    const auto got = embed(dir.path("texts.txt"), "onednn", threads);
    ASSERT_EQ(got.size(), want.size());
    for (std::size_t i = 0; i < want.size(); ++i) {
      EXPECT_GE(cosine(got[i], want[i]), 0.999999) << "text " << i << ", threads " << threads;
    }
  }
}

TEST(OneDnnProgram, NamesThePluginThatIsMissing) {
  LINNET_NEEDS(minilm_dir());
  const Finished done =
      linnet({"embed", "--model", minilm_dir().string(), "--backend", "onednn", "a"},
             {{"LINNET_ONEDNN_PLUGIN", "/nowhere/plugin.so"}});
  EXPECT_EQ(done.exit_code, 1);
  EXPECT_EQ(done.out, "");
  EXPECT_EQ(
      done.err,
      "error: oneDNN backend: cannot open /nowhere/plugin.so: /nowhere/plugin.so: cannot open "
      "shared object file: No such file or directory\n");
}

TEST(OneDnnProgram, WithoutAPluginTheVersionSaysSo) {
  const Finished done = linnet({"version"}, {{"LINNET_ONEDNN_PLUGIN", "/nowhere/plugin.so"}});
  EXPECT_EQ(done.exit_code, 0);
  EXPECT_NE(done.out.find("oneDNN:          none\n"), std::string::npos) << done.out;
}

TEST(OneDnnProgram, RefusesABackendItDoesNotKnow) {
  const Finished done = linnet({"embed", "--model", "m", "--backend", "other", "a"});
  EXPECT_EQ(done.exit_code, 2);
  EXPECT_NE(done.err.find("--backend"), std::string::npos) << done.err;
}

}  // namespace
}  // namespace linnet::test
