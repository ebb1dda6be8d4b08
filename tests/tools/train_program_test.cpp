// `linnet train` from outside: what ends a run, what goes on after it, and what is kept out.
#include "tests/tools/train_program.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

namespace linnet::test {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

TEST_F(TrainProgram, LeavesAModelThatIsEvaluated) {
  const Finished done = train("out", "3");
  ASSERT_EQ(done.exit_code, 0) << done.err;
  EXPECT_EQ(done.out, "");
  EXPECT_EQ(Json::parse(bytes_of(output("out") / "trainer_state.json")).at("global_step"), 3);
  EXPECT_TRUE(fs::exists(output("out") / "train_results.json"));
  const Finished scored =
      run({.arguments = {LINNET_PROGRAM, "evaluate", "--task", "text-classification", "--model",
                         output("out"), "--file", dir_.path("train.tsv"), "--json"}});
  ASSERT_EQ(scored.exit_code, 0) << scored.err;
  EXPECT_EQ(Json::parse(scored.out).at("total"), 10);

  const Finished again = train("out", "3");
  EXPECT_EQ(again.exit_code, 1);
  EXPECT_NE(again.err.find("is not empty"), std::string::npos) << again.err;
  EXPECT_EQ(train("out", "3", {"--overwrite-output-dir"}).exit_code, 0);
}

// The run is held still while it is under way, so that it cannot end before the signal.
TEST_F(TrainProgram, StoppedAndResumedItGivesTheBytesOfAWholeRun) {
  constexpr const char* kSteps = "600";
  ASSERT_EQ(train("whole", kSteps).exit_code, 0);

  Child child(command("stopped", kSteps));
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!fs::exists(output("stopped") / "checkpoint-100") &&
         std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  child.kill(SIGSTOP);
  const Finished second = train("stopped", kSteps, {"--resume"});
  EXPECT_EQ(second.exit_code, 1);
  EXPECT_NE(second.err.find("another process"), std::string::npos) << second.err;
  child.kill(SIGTERM);
  child.kill(SIGCONT);
  EXPECT_EQ(child.wait().exit_code, 143);
  const Json state = Json::parse(bytes_of(output("stopped") / "trainer_state.json"));
  EXPECT_EQ(state.at("finished"), false);
  EXPECT_FALSE(fs::exists(output("stopped") / "model.safetensors"));

  // The state of the step that was under way is there, beyond the one that was waited for.
  int newest = 0;
  for (const auto& entry : fs::directory_iterator(output("stopped"))) {
    const std::string name = entry.path().filename();
    if (name.starts_with("checkpoint-")) newest = std::max(newest, std::stoi(name.substr(11)));
  }
  EXPECT_GE(newest, 100);
  ASSERT_LT(newest, 600);

  const Finished resumed = train("stopped", kSteps, {"--resume"});
  ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
  expect_same("stopped", "whole",
              {"model.safetensors", "config.json", "trainer_state.json",
               "checkpoint-600/optimizer.safetensors"});
}

bool is_saving(const fs::path& directory) {
  std::error_code gone;
  for (const auto& entry : fs::directory_iterator(directory, gone)) {
    const std::string name = entry.path().filename();
    if (name.starts_with("checkpoint-") && name.find(".tmp.") != name.npos) return true;
  }
  return false;
}

// Every second time the process is killed as soon as it is seen to save, else after a random part
// of the time that a whole run takes. LINNET_KILL_MOMENTS sets how often.
TEST_F(TrainProgram, KilledAtAnyMomentItResumesToTheBytesOfAWholeRun) {
  using Clock = std::chrono::steady_clock;
  const char* wanted = std::getenv("LINNET_KILL_MOMENTS");
  const int moments = wanted == nullptr ? 2 : std::atoi(wanted);
  const std::vector<std::string> more{"--save-steps", "7", "--logging-steps", "5"};
  const auto start = Clock::now();
  ASSERT_EQ(train("whole", "60", more).exit_code, 0);
  const auto duration = Clock::now() - start;
  std::mt19937 random(1);
  for (int i = 0; i < moments; ++i) {
    fs::remove_all(output("killed"));
    const auto moment = duration * static_cast<int>(random() % 1000) / 1000;
    Child child(command("killed", "60", more));
    if (i % 2 == 0) {
      const auto deadline = Clock::now() + duration;
      while (!is_saving(output("killed")) && Clock::now() < deadline) std::this_thread::yield();
    } else {
      std::this_thread::sleep_for(moment);
    }
    child.kill(SIGKILL);
    child.wait();
    std::vector<std::string> again = more;
    again.push_back("--resume");
    const Finished resumed = train("killed", "60", again);
    ASSERT_EQ(resumed.exit_code, 0) << i << ": " << resumed.err;
    expect_same("killed", "whole",
                {"model.safetensors", "config.json", "trainer_state.json",
                 "checkpoint-60/optimizer.safetensors", "checkpoint-60/manifest.json"});
  }
}

}  // namespace
}  // namespace linnet::test
