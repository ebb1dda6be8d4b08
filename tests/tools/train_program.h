#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/bytes_of.h"
#include "tests/support/data.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace linnet::test {

/// A model without a head, which `linnet train` adds, with the tokenizer of one that has one.
inline std::string model_without_head(const TempDir& dir) {
  const std::filesystem::path to = dir.path("encoder"), from = data_dir() / "goldens";
  std::filesystem::create_directories(to);
  for (const char* file : {"tokenizer.json", "tokenizer_config.json", "vocab.txt"}) {
    std::filesystem::copy(from / "bert_seqcls_text" / file, to / file);
  }
  for (const char* file : {"config.json", "model.safetensors"}) {
    std::filesystem::copy(from / "bert_base" / file, to / file);
  }
  return to;
}

/// `linnet train` as a program, with a small model and ten labelled sentences.
class TrainProgram : public testing::Test {
 protected:
  using Words = std::vector<std::string>;
  const std::filesystem::path model_ = data_dir() / "goldens/bert_seqcls_text";
  TempDir dir_;

  void SetUp() override {
    LINNET_NEEDS(model_);
    std::string table = "label\tsentence\n";
    for (const char* word : {"good", "lovely", "great", "fine", "long"}) {
      table += std::string("1\tthe film is ") + word + "\n0\ta film that was not " + word + "\n";
    }
    dir_.write("train.tsv", table);
  }

  std::filesystem::path output(const char* name) const { return dir_.path(name); }
  Words command(const char* name, const char* steps, const Words& more = {}) const {
    Words words{LINNET_PROGRAM,
                "train",
                "--model",
                model_,
                "--train-file",
                dir_.path("train.tsv"),
                "--output-dir",
                dir_.path(name),
                "--max-steps",
                steps,
                "--save-steps",
                "100",
                "--per-device-train-batch-size",
                "4"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  Finished train(const char* name, const char* steps, const Words& more = {}) const {
    return run({.arguments = command(name, steps, more)});
  }
  /// Whether a directory holds the files of another one, bit by bit.
  void expect_same(const char* name, const char* other, const Words& files) const {
    for (const std::string& file : files) {
      EXPECT_TRUE(bytes_of(output(name) / file) == bytes_of(output(other) / file)) << file;
    }
  }
};

inline void expect_part(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << text;
}

}  // namespace linnet::test
