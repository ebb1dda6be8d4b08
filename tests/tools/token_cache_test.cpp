// The tokens that `linnet train` keeps: that they are those of the files, and what is done about
// files that are damaged.
#include "tools/train/token_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "engine/tasks/embedder.h"
#include "tests/support/bytes_of.h"
#include "tests/support/data.h"
#include "tests/support/temp_dir.h"
#include "tools/train/language_data.h"
#include "tools/train/train.h"

namespace linnet::tools {
namespace {

namespace fs = std::filesystem;
using test::bytes_of;

std::vector<fs::path> files_of(const fs::path& directory) {
  std::vector<fs::path> files;
  if (!fs::exists(directory)) return files;
  for (const auto& entry : fs::directory_iterator(directory)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

TokenArrays some() {
  TokenArrays a;
  a.tokens = {5, 6, 7, 8, 9};
  a.types = {0, 0, 1, 0, 1};
  a.starts = {0, 3, 5};
  a.more = {-1, 4};
  return a;
}

void expect_same(const TokenArrays& a, const TokenArrays& b) {
  EXPECT_EQ(a.tokens, b.tokens);
  EXPECT_EQ(a.types, b.types);
  EXPECT_EQ(a.starts, b.starts);
  EXPECT_EQ(a.more, b.more);
}

class Cache : public testing::Test {
 protected:
  const test::TempDir dir;
  cli::Log log;
  int made = 0;

  TokenArrays arrays(const std::string& key, CacheUse use = CacheUse::kReuse) {
    return TokenCache(dir.path("cache"), use, log).arrays(key, [&] {
      ++made;
      return some();
    });
  }
};

TEST_F(Cache, IsReadByItsKeyAlone) {
  for (int i = 0; i < 3; ++i) expect_same(arrays("a"), some());
  EXPECT_EQ(made, 1);
  expect_same(arrays("b"), some());
  EXPECT_EQ(made, 2);
  expect_same(arrays("a", CacheUse::kRenew), some());
  EXPECT_EQ(made, 3);
  EXPECT_EQ(files_of(dir.path("cache")).size(), 2u);
}

TEST_F(Cache, ADamagedFileIsNamedAndMadeAnew) {
  arrays("a");
  const fs::path file = files_of(dir.path("cache")).at(0);
  const std::string whole = bytes_of(file);
  for (std::size_t at = 0; at <= whole.size(); at += 29) {
    std::string bytes = whole.substr(0, at);
    if (at % 2 == 0 && at < whole.size()) {
      bytes = whole;
      bytes[at] ^= 1;
    }
    std::ofstream(file, std::ios::binary) << bytes;
    made = 0;
    testing::internal::CaptureStderr();
    const TokenArrays found = arrays("a");
    const std::string said = testing::internal::GetCapturedStderr();
    expect_same(found, some());
    if (bytes == whole) continue;
    EXPECT_EQ(made, 1) << at;
    EXPECT_NE(said.find(file.filename().string()), std::string::npos) << at << ": " << said;
    EXPECT_NE(said.find("it is made anew"), std::string::npos) << at << ": " << said;
    EXPECT_TRUE(bytes_of(file) == whole) << at;
  }
}

TEST_F(Cache, OneThatCannotBeWrittenIsNamed) {
  dir.write("cache", "a file");
  testing::internal::CaptureStderr();
  expect_same(arrays("a"), some());
  EXPECT_NE(testing::internal::GetCapturedStderr().find("is not kept"), std::string::npos);
}

// Long files are encoded in parts, on all threads.
TEST(LanguageData, HasTheTokensOfTheWholeText) {
  const fs::path gpt2 = test::data_dir() / "checkpoints/gpt2-yelp";
  LINNET_NEEDS(gpt2);
  const test::TempDir dir;
  std::string text;
  for (int i = 0; text.size() < (std::size_t{5} << 19); ++i) {
    text += "It was number " + std::to_string(i) +
            (i % 3 == 0 ? ", \u00e4h,\n\n  said\nthe man" : "\n");
  }
  dir.write("text.txt", text);
  const tokenizer::Tokenizer tokenizer = load_tokenizer(weights::Directory(gpt2));
  DataOptions options;
  options.task = TrainTask::kLanguageModeling;
  options.train_file = dir.path("text.txt");
  Threads threads(2);
  const DataSet set = read_language_task(options).train({tokenizer, threads, 64, false});
  tokenizer::EncodeOptions encode;
  encode.add_special_tokens = false;
  std::vector<std::int32_t> whole = tokenizer.encode(text, encode).ids;
  whole.resize(whole.size() / 64 * 64);
  EXPECT_TRUE(set.examples.tokens == whole);
}

// A model is trained twice with one cache, on a file for each task: the second run has not
// tokenised, and its bytes are those of a run without.
class CachedTraining : public testing::TestWithParam<TrainTask> {
 protected:
  const fs::path bert = test::data_dir() / "goldens/bert_seqcls_text";
  const fs::path gpt2 = test::data_dir() / "checkpoints/gpt2-yelp";
  const test::TempDir dir;

  std::string data() const {
    std::string text;
    for (int i = 0; i < 6; ++i) {
      const bool good = i % 2 == 0;
      const std::string word = good ? "good" : "bad", number = std::to_string(i);
      switch (GetParam()) {
        case TrainTask::kTextClassification:
          text += "{\"sentence\": \"a " + word + " film " + number +
                  "\", \"label\": " + (good ? "1" : "0") + "}\n";
          break;
        case TrainTask::kTokenClassification:
          text += "{\"tokens\": [\"a\", \"" + word + "\", \"film\"], \"ner_tags\": [\"O\", \"" +
                  (good ? "B-GOOD" : "B-BAD") + "\", \"O\"]}\n";
          break;
        case TrainTask::kQuestionAnswering:
          text += std::string(i > 0 ? ", " : "") + "{\"id\": \"" + number +
                  "\", \"question\": \"how ?\", \"context\": \"a film " + word +
                  " and long\", \"answers\": {\"text\": [\"" + word +
                  "\"], \"answer_start\": [7]}}";
          break;
        case TrainTask::kLanguageModeling:
        case TrainTask::kMaskedLanguageModeling:
          text += "a " + word + " film that was " + number + "\nand long\n";
      }
    }
    const bool questions = GetParam() == TrainTask::kQuestionAnswering;
    const bool lines = GetParam() == TrainTask::kLanguageModeling ||
                       GetParam() == TrainTask::kMaskedLanguageModeling;
    const char* name = lines ? "data.txt" : questions ? "data.json" : "data.jsonl";
    dir.write(name, questions ? "{\"data\": [" + text + "]}" : text);
    return dir.path(name);
  }
  std::string weights(const char* output, std::optional<std::string> cache,
                      std::int64_t length = 12) const {
    TrainOptions o;
    o.model = GetParam() == TrainTask::kLanguageModeling ? gpt2 : bert;
    o.start = Start::kScratch;
    o.config_overrides = GetParam() == TrainTask::kLanguageModeling ? "n_layer=1,n_embd=16,n_head=2"
                                                                    : "num_hidden_layers=1";
    o.data.task = GetParam();
    o.data.train_file = o.data.validation_file = data();
    o.data.max_length = length;
    o.data.doc_stride = 2;
    o.run.output_dir = dir.path(output);
    o.run.saving.strategy = Strategy::kNo;
    o.evaluate_at_end = true;
    o.load.isa = kernels::supported_isas().back();
    o.data_cache = std::move(cache);
    o.trainer.max_steps = 3;
    o.threads = 2;
    tools::train(o, io::ShowProgress::kNo, cli::Log());
    const fs::path out = o.run.output_dir;
    EXPECT_FALSE(fs::exists(out / "token-cache"));
    return bytes_of(out / "model.safetensors") + bytes_of(out / "trainer_state.json");
  }
};

TEST_P(CachedTraining, GivesTheSameBytes) {
  LINNET_NEEDS(bert);
  LINNET_NEEDS(gpt2);
  const std::string cache = dir.path("cache"), plain = weights("plain", "");
  EXPECT_TRUE(files_of(cache).empty());
  EXPECT_TRUE(weights("default", std::nullopt) == plain);
  EXPECT_TRUE(weights("first", cache) == plain);
  // One file of training and of validation: the same content, the same tokens.
  ASSERT_EQ(files_of(cache).size(), 1u);
  const auto written = fs::last_write_time(files_of(cache)[0]);
  EXPECT_TRUE(weights("second", cache) == plain);
  EXPECT_EQ(fs::last_write_time(files_of(cache)[0]), written);
  weights("shorter", cache, 11);
  EXPECT_EQ(files_of(cache).size(), 2u);
}

INSTANTIATE_TEST_SUITE_P(Tasks, CachedTraining,
                         testing::Values(TrainTask::kTextClassification,
                                         TrainTask::kTokenClassification,
                                         TrainTask::kQuestionAnswering,
                                         TrainTask::kLanguageModeling,
                                         TrainTask::kMaskedLanguageModeling));

}  // namespace
}  // namespace linnet::tools
