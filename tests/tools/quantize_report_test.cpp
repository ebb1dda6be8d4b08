// What linnet quantize says about the model it wrote: the report, the scores, and the loss it
// refuses.
#include <fstream>
#include <sstream>

#include "tests/tools/convert_fixture.h"

namespace linnet::test {
namespace {

using nlohmann::json;

class QuantizeReport : public ConvertFixture {
 protected:
  void SetUp() override { LINNET_NEEDS(goldens / "bert_seqcls_text"); }
  std::string golden(const char* name) const { return (goldens / name).string(); }
  Finished quantize(const std::string& from, const Words& more) const {
    return run_words({LINNET_PROGRAM, "quantize", from, out(), "--force"}, more);
  }
  json result(const std::string& from, Words more) const {
    more.emplace_back("--json");
    const Finished done = quantize(from, more);
    EXPECT_EQ(done.exit_code, 0) << done.err;
    return done.exit_code == 0 ? json::parse(done.out) : json::object();
  }
  void refuses(const std::string& from, const Words& more, const std::string& part,
               int code = 1) const {
    const std::ptrdiff_t before = dir_.entries();
    const Finished done = quantize(from, more);
    EXPECT_EQ(done.exit_code, code) << done.out;
    EXPECT_NE(done.err.find(part), std::string::npos) << done.err << "expected: " << part;
    EXPECT_EQ(dir_.entries(), before) << "something is left";
  }
  // Texts, a line each.
  std::string texts() const {
    std::string lines;
    for (int i = 0; i < 40; ++i) {
      lines += "a text of number " + std::to_string(i * 37 % 101) + " that is " +
               std::string(static_cast<std::size_t>(i % 7 + 1), 'x') + "\n";
    }
    dir_.write("texts.txt", lines);
    return dir_.path("texts.txt");
  }
};

TEST_F(QuantizeReport, TellsWhatEachStepBrought) {
  const json done = result(golden("bert_seqcls_text"), {"--scheme", "calibrated", "--report"});
  EXPECT_EQ(done["quantization"]["calibration"], "random ids");
  const json& steps = done["report"];
  ASSERT_EQ(steps.size(), 3);  // smoothing is for text
  EXPECT_EQ(steps[0]["step"], "plain");
  EXPECT_EQ(steps[1]["step"], "rotation");
  EXPECT_EQ(steps[2]["step"], "all");
  for (const json& step : steps) {
    ASSERT_EQ(step["layers"].size(), 8);
    EXPECT_EQ(step["layers"][6]["layer"], "intermediate");
    EXPECT_EQ(step["layers"][6]["block"], 1);
    EXPECT_GT(step["layers"][6]["snr_db"], 25.0);
    EXPECT_GT(step["mean_cosine"], 0.99);
    EXPECT_LE(step["least_cosine"], step["mean_cosine"]);
  }
  EXPECT_GT(steps[2]["layers"][6]["snr_db"], steps[1]["layers"][6]["snr_db"]);
  const Finished table = quantize(golden("bert_seqcls_text"), {"--report"});
  EXPECT_NE(table.out.find("signal to noise, dB"), std::string::npos) << table.out;
  EXPECT_NE(table.out.find("1.attention_output"), std::string::npos) << table.out;
}

// Kept layers have no noise.
TEST_F(QuantizeReport, KeptLayersAreExact) {
  const json done =
      result(golden("bert_seqcls_text"), {"--report", "--keep-fp32", "1.output.dense"});
  EXPECT_EQ(done["report"].back()["layers"][7]["snr_db"], 200);
  EXPECT_LT(done["report"].front()["layers"][7]["snr_db"], 100.0);
}

// A file whose labels are those of the FP32 model: it is right everywhere.
TEST_F(QuantizeReport, AccuracyWhereThereAreLabels) {
  const std::string from = golden("bert_seqcls_text");
  std::istringstream lines([&] {
    const Finished labels = run({.arguments = {LINNET_PROGRAM, "classify", "--model", from,
                                               "--input", texts(), "--format", "jsonl"}});
    EXPECT_EQ(labels.exit_code, 0) << labels.err;
    return labels.out;
  }());
  std::ifstream file(texts());
  std::string table = "label\tsentence\n", line, text;
  for (int row = 0; std::getline(lines, line) && std::getline(file, text); ++row) {
    std::string label = json::parse(line)["labels"][0]["label"].get<std::string>();
    if (row % 2 == 1) label = label == "positive" ? "1" : "0";  // a number is as good
    if (row % 4 == 3) label = label == "1" ? "0" : "1";         // wrong
    table += label + "\t" + text + "\n";
  }
  dir_.write("labels.tsv", table);
  const json done = result(from, {"--eval-file", dir_.path("labels.tsv"), "--max-drop", "0.3"});
  const json& score = done["quality"][0];
  EXPECT_EQ(score["metric"], "accuracy");
  EXPECT_EQ(score["data"], "labels.tsv");
  EXPECT_EQ(score["rows"], 40);
  EXPECT_EQ(score["before"], 0.75);
  EXPECT_GE(score["after"], 0.45);
  EXPECT_EQ(json::parse(dir_.read("out/linnet.json"))["quality"], done["quality"]);

  const json same = result(from, {"--eval-file", texts()});
  EXPECT_EQ(same["quality"][0]["metric"], "same label");
  EXPECT_EQ(same["quality"][0]["before"], 1);
}

TEST_F(QuantizeReport, EmbeddingsAreScoredByCosine) {
  const json done = result(golden("st_mean"), {"--eval-file", texts()});
  const char* metrics[] = {"cosine", "least cosine", "cosine of 1 %", "neighbours kept",
                           "spearman"};
  ASSERT_EQ(done["quality"].size(), 5);
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(done["quality"][i]["metric"], metrics[i]);
    EXPECT_EQ(done["quality"][i]["before"], 1);
    EXPECT_GT(done["quality"][i]["after"], 0.5);
  }
  EXPECT_GT(done["quality"][0]["after"], 0.999);
  EXPECT_LT(done["quality"][0]["after"], 1);
}

TEST_F(QuantizeReport, RefusesALossAndWhatItCannotScore) {
  const std::string from = golden("st_mean");
  const std::string lines = texts();
  refuses(from, {"--eval-file", lines, "--max-drop", "0"}, "nothing was written");
  refuses(from, {"--max-drop", "0.1"}, "--max-drop asks for --eval-file", 2);
  refuses(from, {"--eval-file", dir_.path("none.txt")}, "none.txt");
  dir_.write("empty.txt", "");
  refuses(from, {"--eval-file", dir_.path("empty.txt")}, "has no records");
  dir_.write("short.txt", "one line is no calibration\n");
  refuses(from, {"--calibration-file", dir_.path("short.txt")}, "a calibration takes at least 256");
  refuses(from, {"--calibration-file", dir_.path("empty.txt")}, "has 0 tokens");
  LINNET_NEEDS(goldens / "bert_tokcls");
  refuses(golden("bert_tokcls"), {"--eval-file", lines}, "not for");
}

// Two things are wrong, and the calibration's would only show once there is work.
TEST_F(QuantizeReport, RefusesAnEvaluationFileBeforeTheWork) {
  dir_.write("short.txt", "one line is no calibration\n");
  const auto refused = [&](const char* model, const std::string& file, const std::string& message) {
    refuses(golden(model), {"--eval-file", file, "--calibration-file", dir_.path("short.txt")},
            message);
  };
  refused("st_mean", dir_.path("none.txt"), "none.txt");
  dir_.write("empty.txt", "");
  refused("st_mean", dir_.path("empty.txt"), "has no records");
  std::string many;
  for (int i = 0; i <= 10'000; ++i) many += "a\n";
  dir_.write("many.txt", many);
  refused("st_mean", dir_.path("many.txt"), "at most 10000 records, found 10001");
  LINNET_NEEDS(goldens / "bert_tokcls");
  refused("bert_tokcls", texts(), "not for");
}

// Of a base model the pooler is stored in two bytes; export gives it back in four.
TEST_F(QuantizeReport, ThePoolerOfABaseModelIsShort) {
  result(golden("st_mean"), {});
  const weights::Checkpoint written(out());
  const weights::TensorView* pooler = written.find("pooler.dense.weight");
  ASSERT_NE(pooler, nullptr);
  EXPECT_EQ(pooler->dtype, weights::DType::kBF16);
  EXPECT_GT(json::parse(
                dir_.read("out/linnet.json"))["tensors"]["pooler.dense.weight"]["rounded_elements"],
            0);
  ASSERT_EQ(export_back().exit_code, 0);
  const weights::Checkpoint exported(back());
  EXPECT_EQ(exported.find("pooler.dense.weight")->dtype, weights::DType::kF32);
  result(golden("bert_seqcls_text"), {});
  const weights::Checkpoint classifier(out());
  EXPECT_EQ(classifier.find("bert.pooler.dense.weight")->dtype, weights::DType::kF32);
}

}  // namespace
}  // namespace linnet::test
