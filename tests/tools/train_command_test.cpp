// `linnet train` from outside: options, exit codes, and a signal that ends it.
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/support/data.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace linnet::test {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using Words = std::vector<std::string>;

class TrainCommand : public testing::Test {
 protected:
  const fs::path model_ = data_dir() / "goldens/bert_seqcls_text";
  const TempDir dir_;
  const fs::path out_ = dir_.path("out");

  Words words(const Words& more) const {
    dir_.write("train.tsv",
               "label\tsentence\n1\ta good film\n0\ta bad film\n1\tlovely\n0\tthe film is poor\n");
    Words all{LINNET_PROGRAM,
              "train",
              "--model",
              model_.string(),
              "--train-file",
              dir_.path("train.tsv"),
              "--output-dir",
              out_.string(),
              "--learning-rate",
              "1e-3",
              "--lr-scheduler-type",
              "constant_with_warmup",
              "--no-progress"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  Finished train(const Words& more) const { return run({.arguments = words(more)}); }
  Json file(const char* name) const {
    std::ifstream in(out_ / name);
    return Json::parse(in);
  }
};

TEST_F(TrainCommand, OptionsReachTheRun) {
  LINNET_NEEDS(model_);
  const Finished done =
      train({"--per-device-train-batch-size", "2", "--num-train-epochs", "3", "--warmup-ratio", "1",
             "--logging-steps", "1", "--save-steps", "2", "--save-total-limit", "1"});
  ASSERT_EQ(done.exit_code, 0) << done.err;
  const Json state = file("trainer_state.json");
  EXPECT_EQ(state.at("max_steps"), 6);  // 4 records, 2 a step, 3 times
  ASSERT_EQ(state.at("log_history").size(), 6u);
  for (std::size_t i = 0; i < 6; ++i) {  // warm-up over the whole run
    EXPECT_NEAR(state["log_history"][i].at("learning_rate"), 1e-3 * static_cast<double>(i) / 6,
                1e-12);
  }
  EXPECT_FALSE(fs::exists(out_ / "checkpoint-4"));
  EXPECT_TRUE(fs::exists(out_ / "checkpoint-6"));
  EXPECT_EQ(file("train_results.json").at("train_steps"), 6);
}

TEST_F(TrainCommand, SaysWhatIsWrong) {
  LINNET_NEEDS(model_);
  EXPECT_EQ(train({"--warmup-ratio", "1.5"}).exit_code, 2);
  EXPECT_EQ(train({"--optim", "adam"}).exit_code, 2);
  const Finished bad = train({"--adam-beta1", "1"});
  EXPECT_EQ(bad.exit_code, 1);
  EXPECT_NE(bad.err.find("betas"), std::string::npos) << bad.err;
  dir_.write("out/file", "");
  const Finished used = train({});
  EXPECT_EQ(used.exit_code, 1);
  EXPECT_NE(used.err.find("is not empty"), std::string::npos) << used.err;
}

TEST_F(TrainCommand, ASignalLeavesACheckpointToGoOnFrom) {
  LINNET_NEEDS(model_);
  const Words endless{"--max-steps", "100000000", "--save-steps", "3", "--logging-steps", "0"};
  Child child(words(endless));
  for (int i = 0; i < 60'000 && !fs::exists(out_ / "checkpoint-3"); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  child.kill(SIGTERM);
  const Finished ended = child.wait();
  ASSERT_EQ(ended.exit_code, 128 + SIGTERM) << ended.err;
  const Json state = file("trainer_state.json");
  EXPECT_EQ(state.at("finished"), false);
  const std::string step = state.at("global_step").dump();
  EXPECT_TRUE(fs::exists(out_ / ("checkpoint-" + step) / "manifest.json")) << step;
  EXPECT_FALSE(fs::exists(out_ / "model.safetensors"));
  Words other = endless;
  other.insert(other.end(), {"--resume", "--seed", "1"});
  const Finished refused = train(other);
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_NE(refused.err.find("was made with the options"), std::string::npos) << refused.err;
}

}  // namespace
}  // namespace linnet::test
