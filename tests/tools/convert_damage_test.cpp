// convert_weights and linnet export when the machine or the files fail them: killed at any moment
// the result is complete or absent, and damaged directories are errors or valid, never worse.
#include <signal.h>

#include <chrono>
#include <random>
#include <thread>

#include "tests/tools/convert_fixture.h"
#include "tests/tools/convert_models.h"

namespace linnet::test {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

class Damage : public ConvertFixture {
 protected:
  // A sentence model with a tokenizer: files of all kinds.
  void write_model(const std::string& folder) const {
    SmallModel m = small_bert("bert.", "gamma", "beta");
    m.position_ids("bert.embeddings.position_ids");
    m.write(dir_, folder);
    dir_.write(folder + "/vocab.txt",
               "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\nc\n##d\ne\nf\ng\n");
    dir_.write(folder + "/modules.json",
               R"([{"idx":0,"path":"","type":"sentence_transformers.models.Transformer"},)"
               R"({"idx":1,"path":"1_Pooling","type":"sentence_transformers.models.Pooling"}])");
    dir_.write(folder + "/1_Pooling/config.json",
               R"({"word_embedding_dimension": 8, "pooling_mode_mean_tokens": true})");
  }
  std::vector<std::string> files_of(const std::string& folder) const {
    std::vector<std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(dir_.path(folder))) {
      if (entry.is_regular_file())
        files.push_back(fs::relative(entry.path(), dir_.path()).string());
    }
    std::sort(files.begin(), files.end());
    return files;
  }
  // Changes, cuts, lengthens or removes one file; says what it did.
  std::string damage(const std::string& folder, std::mt19937& random) const {
    const std::vector<std::string> files = files_of(folder);
    const std::string& file = files[random() % files.size()];
    std::string bytes = dir_.read(file);
    const std::size_t at = bytes.empty() ? 0 : random() % bytes.size();
    // The header of a weights file is the part that can be wrong in interesting ways.
    const std::size_t place = random() % 2 == 0 ? at % 4096 : at;
    switch (random() % 6) {
      case 0:
        fs::remove(dir_.path(file));
        return file + " removed";
      case 1:
        dir_.write(file, bytes.substr(0, at));
        return file + " cut at " + std::to_string(at);
      case 2:
        dir_.write(file, bytes + "x");
        return file + " lengthened";
      default:
        bytes[place] = static_cast<char>(bytes[place] ^ static_cast<char>(1U << (random() % 8)));
        dir_.write(file, bytes);
        return file + " changed at " + std::to_string(place);
    }
  }
  void copy(const std::string& from, const std::string& to) const {
    fs::remove_all(dir_.path(to));
    fs::copy(dir_.path(from), dir_.path(to), fs::copy_options::recursive);
  }
  std::string all_bytes(const std::string& folder) const {
    std::string all;
    for (const std::string& file : files_of(folder)) {
      all += file.substr(folder.size()) + "\n" + dir_.read(file);
    }
    return all;
  }
};

// Once where there is nothing, once over an older conversion: there is the old state or the new.
TEST_F(Damage, KilledAtAnyMomentItIsCompleteOrAbsent) {
  write_model("model");
  const std::vector<std::string> command{LINNET_CONVERT_WEIGHTS, "--model", model(),
                                         "--output-dir",         out(),     "--force"};
  const auto start = Clock::now();
  ASSERT_EQ(run({.arguments = command}).exit_code, 0);
  const auto whole = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start);
  const std::string complete = all_bytes("out");
  dir_.write("older/config.json", "{}");
  const std::string older = all_bytes("older");
  std::mt19937 random(3);
  int killed = 0, absent = 0, finished = 0;
  for (int round = 0; round < 100; ++round) {
    const bool over_older = round % 2 == 1;
    fs::remove_all(out());
    if (over_older) copy("older", "out");
    Child child(command);
    std::this_thread::sleep_for(whole * (random() % 1000) / 900);
    child.kill(SIGKILL);
    killed += child.wait().exit_code != 0;
    const bool there = fs::exists(out());
    const std::string state = there ? all_bytes("out") : "";
    if (state == complete) {
      ++finished;
    } else {
      ++absent;
      EXPECT_EQ(state, over_older ? older : "") << "round " << round;
    }
  }
  EXPECT_GT(killed, 10);
  EXPECT_GT(absent, 5);
  fs::remove_all(out());
  ASSERT_EQ(run({.arguments = command}).exit_code, 0);
  EXPECT_EQ(dir_.entries(), 3) << "what the killed ones left is not removed";
  RecordProperty("killed", killed);
  RecordProperty("finished", finished);
}

TEST_F(Damage, ADamagedModelIsAnErrorOrValid) {
  write_model("whole");
  std::mt19937 random(11);
  int refused = 0, taken = 0;
  for (int round = 0; round < 250; ++round) {
    copy("whole", "model");
    const std::string what = damage("model", random);
    SCOPED_TRACE(what);
    const std::ptrdiff_t before = dir_.entries();
    const Finished done = convert(model(), {"--verify"});
    ASSERT_EQ(done.signal, 0) << done.err;
    if (done.exit_code == 0) {
      ++taken;
      const Finished exported = export_back();
      EXPECT_EQ(exported.exit_code, 0) << exported.err;
      expect_same_tensors(back(), model());
      fs::remove_all(out());
      fs::remove_all(back());
    } else {
      ++refused;
      EXPECT_EQ(done.exit_code, 1) << done.err;
      EXPECT_EQ(done.err.substr(0, 7), "error: ");
    }
    ASSERT_EQ(dir_.entries(), before);
  }
  EXPECT_GT(refused, 50);
  EXPECT_GT(taken, 20);
}

TEST_F(Damage, ADamagedConversionIsNotExported) {
  write_model("model");
  ASSERT_EQ(convert().exit_code, 0);
  copy("out", "whole");
  std::mt19937 random(12);
  int refused = 0;
  for (int round = 0; round < 250; ++round) {
    copy("whole", "out");
    const std::string what = damage("out", random);
    SCOPED_TRACE(what);
    const Finished done = export_back();
    ASSERT_EQ(done.signal, 0) << done.err;
    // linnet.json itself may change in what does not matter, such as the source's hashes.
    const bool manifest = what.starts_with("out/linnet.json");
    EXPECT_TRUE(done.exit_code == 1 || (manifest && done.exit_code == 0)) << done.err;
    EXPECT_EQ(fs::exists(back()), done.exit_code == 0);
    if (done.exit_code == 0) weights::Checkpoint valid(back());
    refused += done.exit_code == 1;
    fs::remove_all(back());
  }
  EXPECT_GT(refused, 150);
}

}  // namespace
}  // namespace linnet::test
