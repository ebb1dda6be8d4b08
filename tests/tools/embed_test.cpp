// `linnet embed --dimensions` and `--output-precision`: what is made of the same float32 vectors.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "tests/support/data.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace linnet::test {
namespace {

using Json = nlohmann::json;
using Vectors = std::vector<std::vector<float>>;

std::filesystem::path model() { return data_dir() / "goldens/st_mean"; }

class Embed : public testing::Test {
 protected:
  TempDir dir_;

  void SetUp() override {
    LINNET_NEEDS(model());
    dir_.write("texts.txt", "whole mess\nbold\na ride and a mess\nenjoy the ride\nthe mess\n");
  }

  static Finished embed(std::vector<std::string> words) {
    std::vector<std::string> all{LINNET_PROGRAM, "embed", "--model", model().string()};
    all.insert(all.end(), words.begin(), words.end());
    return run({.arguments = std::move(all)});
  }

  Finished embed_file(std::vector<std::string> words) const {
    words.insert(words.end(), {"--input", dir_.path("texts.txt")});
    return embed(std::move(words));
  }

  static Vectors rows(const Finished& done) {
    Vectors result;
    std::istringstream lines(done.out);
    for (std::string line; std::getline(lines, line);) {
      result.push_back(Json::parse(line).at("embedding").get<std::vector<float>>());
    }
    return result;
  }
};

// The formula of quantize_embeddings in sentence-transformers, column by column.
Vectors int8_oracle(const Vectors& x) {
  Vectors y = x;
  for (std::size_t d = 0; d < x[0].size(); ++d) {
    float low = x[0][d], high = x[0][d];
    for (const auto& row : x) low = std::min(low, row[d]), high = std::max(high, row[d]);
    const float step = (high - low) / 255;
    for (std::size_t i = 0; i < x.size(); ++i) y[i][d] = std::trunc((x[i][d] - low) / step - 128);
  }
  return y;
}

TEST_F(Embed, DimensionsKeepsTheFirstValuesAsTheyAre) {
  const Vectors all = rows(embed_file({})), cut = rows(embed_file({"--dimensions", "5"}));
  ASSERT_EQ(all.size(), 5U);
  ASSERT_EQ(cut.size(), 5U);
  for (std::size_t i = 0; i < all.size(); ++i) {
    ASSERT_EQ(cut[i].size(), 5U);
    EXPECT_TRUE(std::equal(cut[i].begin(), cut[i].end(), all[i].begin())) << i;
  }
}

TEST_F(Embed, Int8TakesItsRangesFromTheInput) {
  const Finished done = embed_file({"--output-precision", "int8"});
  EXPECT_EQ(done.exit_code, 0);
  EXPECT_NE(done.err.find("come from 5 texts only"), std::string::npos) << done.err;
  EXPECT_EQ(rows(done), int8_oracle(rows(embed_file({}))));
}

TEST_F(Embed, WithACalibrationFileNeighboursDoNotMatter) {
  const std::vector<std::string> options{"--output-precision", "int8", "--calibration-file",
                                         dir_.path("texts.txt")};
  const Finished all = embed_file(options);
  EXPECT_EQ(all.err, "");
  EXPECT_EQ(all.out, embed_file({"--output-precision", "int8"}).out);
  std::vector<std::string> one = options;
  one.emplace_back("bold");
  EXPECT_EQ(rows(embed(one))[0], rows(all)[1]);
}

TEST_F(Embed, BinaryPacksSigns) {
  const Vectors x = rows(embed_file({"--dimensions", "16"}));
  const Vectors y = rows(embed_file({"--dimensions", "16", "--output-precision", "binary"}));
  ASSERT_EQ(y.size(), x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    ASSERT_EQ(y[i].size(), 2U);
    for (std::size_t d = 0; d < 16; ++d) {
      const int byte = static_cast<int>(y[i][d / 8]) + 128;
      EXPECT_EQ((byte >> (7 - d % 8)) & 1, x[i][d] > 0 ? 1 : 0) << i << ", " << d;
    }
  }
}

TEST_F(Embed, NpyHoldsTheBytesOfJsonLines) {
  for (const char* precision : {"int8", "binary"}) {
    const std::string path = dir_.path(std::string(precision) + ".npy");
    const std::vector<std::string> options{"--dimensions", "16", "--output-precision", precision};
    const Vectors y = rows(embed_file(options));
    std::vector<std::string> to_file = options;
    to_file.insert(to_file.end(), {"--output", path});
    ASSERT_EQ(embed_file(to_file).exit_code, 0);
    const std::string file = dir_.read(std::string(precision) + ".npy");
    EXPECT_NE(file.find("'|i1'"), std::string::npos);
    const std::size_t width = y[0].size();
    ASSERT_EQ(file.size(), 128 + y.size() * width);
    for (std::size_t i = 0; i < y.size() * width; ++i) {
      EXPECT_EQ(static_cast<std::int8_t>(file[128 + i]), y[i / width][i % width]) << i;
    }
  }
}

TEST_F(Embed, TextsThatFailKeepTheirPlace) {
  dir_.write("texts.txt", "whole mess\n\xFF\nbold\n");
  for (const char* precision : {"int8", "binary"}) {
    const Finished done = embed_file({"--output-precision", precision, "--dimensions", "8"});
    EXPECT_EQ(done.exit_code, 3);
    std::istringstream lines(done.out);
    std::vector<Json> all;
    for (std::string line; std::getline(lines, line);) all.push_back(Json::parse(line));
    ASSERT_EQ(all.size(), 3U);
    EXPECT_TRUE(all[1].contains("error") && !all[1].contains("embedding"));
    for (const std::size_t i : {std::size_t{0}, std::size_t{2}}) {
      EXPECT_EQ(all[i].at("index"), i);
      EXPECT_TRUE(all[i].contains("embedding"));
    }
    if (std::string_view(precision) == "int8") {  // two rows: each value is an end of its range
      for (std::size_t d = 0; d < 8; ++d) {
        EXPECT_GE(
            std::abs(all[0].at("embedding")[d].get<int>() - all[2].at("embedding")[d].get<int>()),
            254);
      }
    }
    const std::string path = dir_.path(std::string(precision) + ".npy");
    EXPECT_EQ(
        embed_file({"--output-precision", precision, "--dimensions", "8", "-o", path}).exit_code,
        3);
    const std::string file = dir_.read(std::string(precision) + ".npy");
    const std::size_t width = (file.size() - 128) / 3;
    EXPECT_EQ(file.substr(128 + width, width), std::string(width, '\0'));
  }
}

TEST_F(Embed, RefusesBeforeItWorks) {
  const Finished binary = embed({"--dimensions", "10", "--output-precision", "binary", "bold"});
  EXPECT_EQ(binary.exit_code, 1);
  EXPECT_EQ(binary.err, "error: binary vectors: found 10 dimensions, expected a multiple of 8\n");
  const Finished wide = embed({"--dimensions", "100000", "bold"});
  EXPECT_EQ(wide.exit_code, 1);
  EXPECT_NE(wide.err.find("--dimensions: found 100000, expected at most"), std::string::npos);
  EXPECT_EQ(embed({"--calibration-file", dir_.path("texts.txt"), "bold"}).exit_code, 2);
  EXPECT_EQ(embed({"--output-precision", "int4", "bold"}).exit_code, 2);
  EXPECT_EQ(embed({"--dimensions", "0", "bold"}).exit_code, 2);
  dir_.write("bad.txt", "bold\n\xFF\n");
  dir_.write("empty.txt", "");
  for (const char* file : {"bad.txt", "empty.txt"}) {
    const Finished done =
        embed({"--output-precision", "int8", "--calibration-file", dir_.path(file), "bold"});
    EXPECT_EQ(done.exit_code, 1) << file;
    EXPECT_EQ(done.out, "");
  }
}

TEST_F(Embed, PrecisionIsNamedWhereItIsOutsideThePromise) {
  const Finished exact = embed_file({}), named = embed_file({"--precision", "fp32"});
  EXPECT_EQ(named.out, exact.out);
  EXPECT_EQ(named.err, exact.err);
  const Finished rounded = embed_file({"--precision", "bf16"});
  ASSERT_EQ(rounded.exit_code, 0) << rounded.err;
  EXPECT_NE(rounded.err.find("bf16: outside the promise"), std::string::npos) << rounded.err;
  EXPECT_NE(rounded.out, exact.out);
  const Vectors a = rows(exact), b = rows(rounded);
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    double ab = 0, aa = 0, bb = 0;
    for (std::size_t d = 0; d < a[i].size(); ++d) {
      ab += double{a[i][d]} * b[i][d];
      aa += double{a[i][d]} * a[i][d];
      bb += double{b[i][d]} * b[i][d];
    }
    EXPECT_GE(ab / std::sqrt(aa * bb), 0.999) << "text " << i;
  }
  EXPECT_EQ(embed_file({"--precision", "fp16"}).exit_code, 2);
}

}  // namespace
}  // namespace linnet::test
