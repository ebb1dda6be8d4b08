// Language modelling with `linnet train`: a GPT-2 on text, a BERT on masked text, from a checkpoint
// and from nothing.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/models/load_trainable.h"
#include "tests/support/bytes_of.h"
#include "tests/support/data.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_dir.h"
#include "tools/train/config_overrides.h"
#include "tools/train/train.h"

namespace linnet::tools {
namespace {

namespace fs = std::filesystem;
using test::bytes_of;

class TrainLanguage : public testing::Test {
 protected:
  const fs::path gpt2 = test::data_dir() / "checkpoints/gpt2-yelp";
  const fs::path bert = test::data_dir() / "goldens/bert_seqcls_text";
  const test::TempDir dir;

  std::string text() {
    std::string lines;
    for (int i = 0; i < 60; ++i) {
      lines += i % 2 == 0 ? "the film is good and long .\n" : "a bad film it was , they said .\n\n";
    }
    dir.write("text.txt", lines);
    return dir.path("text.txt");
  }
  TrainOptions options(TrainTask task, const std::string& output) {
    TrainOptions o;
    o.model = (task == TrainTask::kLanguageModeling ? gpt2 : bert).string();
    o.data.task = task;
    o.data.train_file = o.data.validation_file = text();
    o.data.max_length = o.data.block_size = 16;
    o.run.output_dir = dir.path(output);
    o.run.logging = {Strategy::kSteps, 5};
    o.run.saving = {Strategy::kSteps, 4};
    o.evaluate_at_end = true;
    o.load.isa = kernels::supported_isas().back();
    o.trainer.batch_size = 4;
    o.trainer.max_steps = 12;
    o.trainer.learning_rate = 1e-3;
    o.run.command = "test";
    return o;
  }
  TrainResult train(const TrainOptions& o) {
    return tools::train(o, io::ShowProgress::kNo, cli::Log());
  }
  std::string weights(const std::string& output) {
    return bytes_of(fs::path(dir.path(output)) / "model.safetensors");
  }
  nlohmann::json results(const std::string& output) {
    return nlohmann::json::parse(bytes_of(fs::path(dir.path(output)) / "all_results.json"));
  }
};

TEST_F(TrainLanguage, ThreadsPassesAndRecomputationChangeNothing) {
  LINNET_NEEDS(gpt2);
  for (const TrainTask task : {TrainTask::kLanguageModeling, TrainTask::kMaskedLanguageModeling}) {
    if (task == TrainTask::kMaskedLanguageModeling && !fs::exists(bert)) continue;
    const std::string name = task == TrainTask::kLanguageModeling ? "clm" : "mlm";
    train(options(task, name + "_one"));
    TrainOptions o = options(task, name + "_two");
    o.threads = 3;
    o.trainer.tokens_per_pass = 1;
    o.trainer.recompute = Recompute::kYes;
    train(o);
    EXPECT_TRUE(weights(name + "_two") == weights(name + "_one")) << name;
    TrainOptions other = options(task, name + "_seed");
    other.trainer.seed = other.trainer.data_seed = other.data.seed = 43;
    train(other);
    EXPECT_FALSE(weights(name + "_seed") == weights(name + "_one")) << name;
  }
}

TEST_F(TrainLanguage, ResumesToTheSameBytes) {
  LINNET_NEEDS(gpt2);
  train(options(TrainTask::kLanguageModeling, "whole"));
  TrainOptions o = options(TrainTask::kLanguageModeling, "resumed");
  train(o);
  // As if it had ended after step 8.
  for (const char* later : {"checkpoint-12", "model.safetensors", "trainer_state.json"}) {
    fs::remove_all(fs::path(o.run.output_dir) / later);
  }
  o.resume = Resume::kYes;
  train(o);
  EXPECT_TRUE(weights("resumed") == weights("whole"));
}

TEST_F(TrainLanguage, FromScratchLearns) {
  LINNET_NEEDS(gpt2);
  LINNET_NEEDS(bert);
  TrainOptions o = options(TrainTask::kLanguageModeling, "clm");
  o.start = Start::kScratch;
  o.config_overrides = "n_layer=1,n_embd=32,n_head=2,n_inner=48,resid_pdrop=0";
  o.trainer.max_steps = 40;
  o.trainer.learning_rate = 5e-3;
  train(o);
  nlohmann::json r = results("clm");
  EXPECT_LT(r["eval_loss"].get<double>(), 2.5);  // log(1000) = 6.9 at first
  EXPECT_NEAR(r["eval_perplexity"].get<double>(), std::exp(r["eval_loss"].get<double>()), 1e-9);
  EXPECT_GT(r["train_activation_bytes"].get<std::int64_t>(), 0);
  const auto config = nlohmann::json::parse(bytes_of(fs::path(dir.path("clm")) / "config.json"));
  EXPECT_EQ(config["n_embd"], 32);
  EXPECT_EQ(config["n_inner"], 48);
  EXPECT_EQ(config["architectures"][0], "GPT2LMHeadModel");
  const auto model = load_trainable(weights::Checkpoint(dir.path("clm")), {});
  EXPECT_EQ(model->layers(), 1);

  TrainOptions m = options(TrainTask::kMaskedLanguageModeling, "mlm");
  m.data.whole_words = true;
  m.start = Start::kScratch;
  m.trainer.max_steps = 40;
  m.trainer.learning_rate = 5e-3;
  train(m);
  r = results("mlm");
  const auto V = static_cast<double>(
      load_trainable(weights::Checkpoint(dir.path("mlm")), {})->limits().vocab_size);
  EXPECT_LT(r["eval_loss"].get<double>(), 0.8 * std::log(V));
}

TEST_F(TrainLanguage, RefusesWhatDoesNotFit) {
  LINNET_NEEDS(gpt2);
  TrainOptions o = options(TrainTask::kLanguageModeling, "short");
  dir.write("short.txt", "one");
  o.data.train_file = dir.path("short.txt");
  EXPECT_TRUE(test::error_of(ErrorCode::kFormat, [&] {
                train(o);
              }).ends_with("expected a block of 16 at least"));
  o = options(TrainTask::kLanguageModeling, "long");
  o.data.max_length = o.data.block_size = 65;
  EXPECT_EQ(test::error_of(ErrorCode::kInvalidArgument, [&] { train(o); }),
            "block-size: found 65, the model has 64 positions");
  o = options(TrainTask::kMaskedLanguageModeling, "mask");
  o.model = gpt2.string();
  EXPECT_THROW(train(o), Error);
}

TEST(ConfigOverrides, KeepTheKindOfAValue) {
  const json::Document document = json::parse(
      R"({"a": 1, "b": 0.5, "c": true, "d": "x", "e": null, "f": [1]})", "config.json", 1000);
  const auto changed =
      nlohmann::json::parse(override_config(document.root(), "a=2,b=3.5,c=false,d=y,e=7"));
  EXPECT_EQ(changed.dump(), R"({"a":2,"b":3.5,"c":false,"d":"y","e":7,"f":[1]})");
  EXPECT_EQ(nlohmann::json::parse(override_config(document.root(), ""))["a"], 1);
  for (const char* bad : {"a", "=1", "g=1", "a=1.5", "a=x", "b=x", "c=1", "f=1", "a="}) {
    EXPECT_THROW(override_config(document.root(), bad), Error) << bad;
  }
}

}  // namespace
}  // namespace linnet::tools
