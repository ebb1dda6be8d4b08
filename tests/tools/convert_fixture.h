#pragma once

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "tests/support/data.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "weights/checkpoint.h"

namespace linnet::test {

/// Runs convert_weights and linnet export in a directory of its own.
class ConvertFixture : public testing::Test {
 protected:
  using Words = std::vector<std::string>;
  const std::filesystem::path goldens = data_dir() / "goldens";
  std::string model() const { return dir_.path("model"); }
  std::string out() const { return dir_.path("out"); }
  std::string back() const { return dir_.path("back"); }

  static Finished run_words(Words words, const Words& more) {
    words.insert(words.end(), more.begin(), more.end());
    return run({.arguments = std::move(words)});
  }
  Finished convert(const std::string& from, const Words& more = {}) const {
    return run_words({LINNET_CONVERT_WEIGHTS, "--model", from, "--output-dir", out()}, more);
  }
  Finished convert() const { return convert(model()); }
  Finished export_back(const Words& more = {}) const {
    return run_words({LINNET_PROGRAM, "export", "--model", out(), "--output-dir", back()}, more);
  }
  /// What the account says; fails the test when the conversion does.
  nlohmann::json account(const Words& more = {}) const {
    Words words{"--json"};
    words.insert(words.end(), more.begin(), more.end());
    const Finished done = convert(model(), words);
    EXPECT_EQ(done.exit_code, 0) << done.err;
    return done.exit_code == 0 ? nlohmann::json::parse(done.out) : nlohmann::json::object();
  }
  /// Expects exit code 1, a message with `part`, no output, and no directory left.
  void refuses(const std::string& part, const Words& more = {}) const {
    const std::ptrdiff_t before = dir_.entries();
    const Finished done = convert(model(), more);
    EXPECT_EQ(done.exit_code, 1) << "signal " << done.signal << " " << done.out;
    EXPECT_EQ(done.out, "");
    EXPECT_NE(done.err.find(part), std::string::npos) << done.err << "expected: " << part;
    EXPECT_EQ(dir_.entries(), before) << "something is left";
  }
  /// The tensors of `got` are those of `want`, bit for bit.
  static void expect_same_tensors(const std::string& got, const std::string& want) {
    const weights::Checkpoint a(got), b(want);
    ASSERT_EQ(a.tensors().size(), b.tensors().size());
    for (std::size_t i = 0; i < a.tensors().size(); ++i) {
      const weights::TensorView &x = a.tensors()[i], &y = b.tensors()[i];
      ASSERT_EQ(x.name, y.name);
      EXPECT_EQ(x.dtype, y.dtype) << x.name;
      EXPECT_TRUE(std::equal(x.shape.begin(), x.shape.end(), y.shape.begin(), y.shape.end()));
      EXPECT_TRUE(std::equal(x.bytes.begin(), x.bytes.end(), y.bytes.begin(), y.bytes.end()))
          << x.name;
    }
  }
  static std::set<std::string> names_in(const std::string& directory) {
    std::set<std::string> names;
    const weights::Checkpoint checkpoint(directory);
    for (const weights::TensorView& t : checkpoint.tensors()) names.emplace(t.name);
    return names;
  }

  TempDir dir_;
};

}  // namespace linnet::test
