// `linnet train` from outside, where the world fails it: a full disk, numbers without end, damaged
// checkpoints. What was saved before stays whole, and a resumed run ends with the same bytes.
#include <nlohmann/json.hpp>

#include "tests/tools/train_program.h"

namespace linnet::test {
namespace {

namespace fs = std::filesystem;

class TrainFailures : public TrainProgram {
 protected:
  const Words saving_{"--save-steps", "4"};
  const Words files_{"model.safetensors", "config.json", "trainer_state.json",
                     "checkpoint-12/optimizer.safetensors", "checkpoint-12/manifest.json"};

  static Words with(Words words, const Words& more) {
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  Finished resume(const char* name) const { return train(name, "12", with(saving_, {"--resume"})); }
  // A run that was ended after its first checkpoints.
  void copy_checkpoints(const char* name, const Words& checkpoints) const {
    for (const std::string& checkpoint : checkpoints) {
      fs::create_directories(output(name));
      fs::copy(output("whole") / checkpoint, output(name) / checkpoint);
    }
  }
  Words entries(const char* name) const {
    Words names;
    for (const auto& entry : fs::directory_iterator(output(name))) {
      if (entry.path().filename() != "token-cache") names.push_back(entry.path().filename());
    }
    std::sort(names.begin(), names.end());
    return names;
  }
  // A shell's script with the command as its "$@".
  static Finished in_shell(const std::string& script, const Words& command) {
    return run({.arguments = with({"/bin/sh", "-c", script, "sh"}, command)});
  }
};

// A limit of the size of files, in blocks of 512 bytes, stands for the disk: it is reached in
// another file each time.
TEST_F(TrainFailures, AFullDiskLeavesTheLastCheckpoint) {
  ASSERT_EQ(train("whole", "12", saving_).exit_code, 0);
  copy_checkpoints("full", {"checkpoint-4"});
  const std::pair<const char*, const char*> limits[] = {
      {"1", "config.json"}, {"100", "model.safetensors"}, {"500", "optimizer.safetensors"}};
  for (const auto& [blocks, file] : limits) {
    const Finished full =
        in_shell(std::string("trap '' XFSZ; ulimit -f ") + blocks + "; exec \"$@\"",
                 command("full", "12", with(saving_, {"--resume"})));
    EXPECT_EQ(full.exit_code, 1);
    EXPECT_EQ(full.out, "");
    expect_part(full.err,
                std::string(file) + ": cannot write: File too large; checkpoint-4 is kept\n");
    EXPECT_EQ(entries("full"), Words{"checkpoint-4"});
    expect_same("full", "whole", {"checkpoint-4/model.safetensors", "checkpoint-4/manifest.json"});
  }
  ASSERT_EQ(resume("full").exit_code, 0);
  expect_same("full", "whole", files_);

  const Finished first =
      in_shell("trap '' XFSZ; ulimit -f 100; exec \"$@\"", command("first", "12", saving_));
  EXPECT_EQ(first.exit_code, 1);
  expect_part(first.err, "; no checkpoint was made yet\n");
  ASSERT_EQ(resume("first").exit_code, 0);
  expect_same("first", "whole", files_);
}

// A disk of its own, which is full while the third checkpoint or the result is written.
TEST_F(TrainFailures, ADiskThatFillsUpEndsTheRunAndNotItsCheckpoints) {
  fs::create_directories(output("disk"));
  const auto on_disk = [&](const std::string& size, const std::string& script, const Words& words) {
    const std::string mount = "mount -t tmpfs -o size=" + size + " none " + dir_.path("disk");
    return run(
        {.arguments = with(
             {"/usr/bin/unshare", "-rm", "/bin/sh", "-c", mount + " && " + script, "sh"}, words)});
  };
  if (!fs::exists("/usr/bin/unshare") || on_disk("1m", "true", {}).exit_code != 0) {
    GTEST_SKIP() << "no file system can be mounted here";
  }
  ASSERT_EQ(train("whole", "12", saving_).exit_code, 0);
  struct Case {
    const char *size, *message;
    Words left;
  };
  for (const Case& c : {Case{"1600k",
                             ": No space left on device; checkpoint-8 is kept\n",
                             {"checkpoint-4", "checkpoint-8"}},
                        Case{"2200k",
                             ": No space left on device\n",
                             {"checkpoint-12", "checkpoint-4", "checkpoint-8"}}}) {
    fs::remove_all(output("saved"));
    const Finished full = on_disk(c.size,
                                  "\"$@\"; code=$?; cp -a " + dir_.path("disk/out") + " " +
                                      dir_.path("saved") + "; exit $code",
                                  command("disk/out", "12", saving_));
    EXPECT_EQ(full.exit_code, 1);
    expect_part(full.err, c.message);
    EXPECT_EQ(entries("saved"), c.left);
    ASSERT_EQ(resume("saved").exit_code, 0);
    expect_same("saved", "whole", files_);
  }
}

// The rate begins at 0: the first checkpoint is as good as the model. The second would not be.
TEST_F(TrainFailures, ARateThatExplodesIsStoppedAndNotSaved) {
  for (const char* norm : {"0", "1"}) {
    const Words words{"--save-steps",          "1",
                      "--learning-rate",       "1e30",
                      "--lr-scheduler-type",   "constant_with_warmup",
                      "--warmup-steps",        "3",
                      "--max-grad-norm",       norm,
                      "--save-total-limit",    "1",
                      "--overwrite-output-dir"};
    const Finished done = train("out", "12", words);
    EXPECT_EQ(done.exit_code, 1);
    expect_part(done.err, "error: step 3: the loss is not finite; ");
    expect_part(done.err, " \"bert.");
    expect_part(done.err, "; checkpoint-1 is kept\n");
    EXPECT_EQ(entries("out"), Words{"checkpoint-1"});
    const Finished scored =
        run({.arguments = {LINNET_PROGRAM, "evaluate", "--task", "text-classification", "--model",
                           output("out") / "checkpoint-1", "--file", dir_.path("train.tsv")}});
    EXPECT_EQ(scored.exit_code, 0) << scored.err;
  }
  // Nor is it the result of a run that saves nothing on its way.
  const Finished result = train("none", "2", {"--save-strategy", "no", "--learning-rate", "1e30"});
  EXPECT_EQ(result.exit_code, 1);
  expect_part(result.err, "; no checkpoint was made yet\n");
  EXPECT_EQ(entries("none"), Words{});
}

TEST_F(TrainFailures, TamperedCheckpointsArePassedOver) {
  ASSERT_EQ(train("whole", "12", saving_).exit_code, 0);
  const auto flip = [](const fs::path& file) {
    std::string bytes = bytes_of(file);
    bytes[bytes.size() / 2] ^= 1;
    std::ofstream(file, std::ios::binary) << bytes;
  };
  for (const char* file : {"model.safetensors", "optimizer.safetensors", "trainer_state.json",
                           "config.json", "manifest.json"}) {
    fs::remove_all(output("out"));
    copy_checkpoints("out", {"checkpoint-4", "checkpoint-8"});
    const fs::path checkpoint = output("out") / "checkpoint-8";
    flip(checkpoint / file);
    const Finished named =
        train("out", "12", with(saving_, {"--resume-from-checkpoint", checkpoint}));
    EXPECT_EQ(named.exit_code, 1) << file;
    expect_part(named.err, "checkpoint-8");
    const Finished done = resume("out");
    ASSERT_EQ(done.exit_code, 0) << file << ": " << done.err;
    expect_part(done.err, "passed over: " + checkpoint.string());
    expect_part(done.err, "steps 4 to 12");
    expect_same("out", "whole", files_);
  }
  // Without its manifest it is none, and shorter it is not what the manifest says.
  fs::remove_all(output("out"));
  copy_checkpoints("out", {"checkpoint-4", "checkpoint-8"});
  fs::resize_file(output("out") / "checkpoint-8/optimizer.safetensors", 1000);
  fs::remove(output("out") / "checkpoint-4/manifest.json");
  const Finished none = resume("out");
  ASSERT_EQ(none.exit_code, 0) << none.err;
  expect_part(none.err, "steps 0 to 12");
  expect_same("out", "whole", files_);
}

}  // namespace
}  // namespace linnet::test
