// `linnet train` without its command line: what a run leaves, and that nothing but data, options
// and seed decides its bytes.
#include "tools/train/train.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "engine/models/encoder_parameters.h"
#include "engine/tasks/text_classifier.h"
#include "tests/support/bytes_of.h"
#include "tests/support/data.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_dir.h"

namespace linnet::tools {
namespace {

namespace fs = std::filesystem;
using test::bytes_of;

class Train : public testing::Test {
 protected:
  const fs::path model = test::data_dir() / "goldens/bert_seqcls_text";
  const test::TempDir dir;

  // 44 sentences, two kinds of them.
  std::string data() {
    std::string table = "label\tsentence\n";
    const char* good[] = {"good", "lovely", "great", "fine"};
    const char* bad[] = {"bad", "awful", "poor", "sad"};
    for (int i = 0; i < 22; ++i) {
      table += std::string("1\tthe film is ") + good[i % 4] + (i % 3 == 0 ? " and long\n" : "\n");
      table += std::string("0\ta ") + bad[i % 4] + " film" + (i % 5 == 0 ? " it was\n" : "\n");
    }
    dir.write("train.tsv", table);
    return dir.path("train.tsv");
  }
  TrainOptions options(const std::string& output) {
    TrainOptions o;
    o.model = model.string();
    o.data.train_file = data();
    o.run.output_dir = dir.path(output);
    o.load.isa = kernels::supported_isas().back();
    o.run.logging.steps = 5;
    o.run.saving.steps = 4;
    o.trainer.max_steps = 12;
    o.trainer.learning_rate = 1e-3;
    o.trainer.warmup = 2;
    o.trainer.optimizer.weight_decay = 0.01;
    o.trainer.optimizer.max_grad_norm = 1;
    o.run.command = "test";
    return o;
  }
  TrainResult train(const TrainOptions& o) {
    return tools::train(o, io::ShowProgress::kNo, cli::Log());
  }
  std::string weights(const std::string& output) {
    return bytes_of(fs::path(dir.path(output)) / "model.safetensors");
  }
};

TEST_F(Train, ThreadsLevelsAndPassesChangeNothing) {
  LINNET_NEEDS(model);
  train(options("one"));
  for (const kernels::Isa isa : kernels::supported_isas()) {
    TrainOptions o = options(std::string("two_") + kernels::name(isa));
    o.load.isa = isa;
    o.threads = 3;
    o.trainer.tokens_per_pass = 1;
    train(o);
    EXPECT_EQ(weights(std::string("two_") + kernels::name(isa)), weights("one"));
  }
  TrainOptions other = options("seed");
  other.trainer.seed = 43;
  train(other);
  EXPECT_NE(weights("seed"), weights("one"));
}

// Products of rounded numbers: other bytes, the same for any number of threads, and nearly the same
// loss.
TEST_F(Train, Bf16IsNear) {
  LINNET_NEEDS(model);
  const double loss = train(options("fp32")).loss;
  for (const char* output : {"bf16", "again"}) {
    TrainOptions o = options(output);
    o.trainer.precision = Precision::kBfloat16;
    o.threads = output == std::string("again") ? 3 : 1;
    EXPECT_NEAR(train(o).loss, loss, 0.02);
  }
  EXPECT_NE(weights("bf16"), weights("fp32"));
  EXPECT_EQ(weights("again"), weights("bf16"));
}

TEST_F(Train, AccumulationGivesTheBytesOfTheLargeBatch) {
  LINNET_NEEDS(model);
  train(options("large"));
  TrainOptions o = options("parts");
  o.trainer.batch_size = 2;
  o.trainer.accumulation = 4;
  train(o);
  EXPECT_EQ(weights("parts"), weights("large"));
}

// Killed after any checkpoint, the run ends with the same files.
TEST_F(Train, ResumedRunsGiveTheSameBytes) {
  LINNET_NEEDS(model);
  train(options("whole"));
  for (const char* kept : {"checkpoint-4", "checkpoint-8", "nothing"}) {
    const std::string output = std::string("resumed_") + kept;
    train(options(output));
    for (const auto& entry : fs::directory_iterator(dir.path(output))) {
      if (entry.path().filename() != kept) fs::remove_all(entry.path());
    }
    TrainOptions o = options(output);
    o.resume = Resume::kYes;
    train(o);
    for (const char* file :
         {"model.safetensors", "trainer_state.json", "config.json",
          "checkpoint-12/optimizer.safetensors", "checkpoint-12/manifest.json"}) {
      EXPECT_EQ(bytes_of(fs::path(dir.path(output)) / file),
                bytes_of(fs::path(dir.path("whole")) / file))
          << kept << " " << file;
    }
  }
}

TEST_F(Train, ADamagedCheckpointIsPassedOver) {
  LINNET_NEEDS(model);
  train(options("whole"));
  train(options("damaged"));
  const fs::path optimizer = fs::path(dir.path("damaged")) / "checkpoint-8/optimizer.safetensors";
  std::string bytes = bytes_of(optimizer);
  bytes[bytes.size() / 2] ^= 1;
  std::ofstream(optimizer, std::ios::binary) << bytes;
  fs::remove_all(fs::path(dir.path("damaged")) / "checkpoint-12");
  TrainOptions o = options("damaged");
  o.resume = Resume::kYes;
  train(o);
  EXPECT_EQ(weights("damaged"), weights("whole"));
}

TEST_F(Train, RefusesOtherOptionsUsedDirectoriesAndCompany) {
  LINNET_NEEDS(model);
  train(options("out"));
  TrainOptions o = options("out");
  EXPECT_NE(test::error_of(ErrorCode::kInvalidArgument, [&] { train(o); }).find("is not empty"),
            std::string::npos);
  o.resume = Resume::kYes;
  o.run.command = "other";
  EXPECT_NE(test::error_of(ErrorCode::kInvalidArgument, [&] { train(o); }).find("was made with"),
            std::string::npos);
  const int lock = open(o.run.output_dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ASSERT_EQ(flock(lock, LOCK_EX), 0);
  EXPECT_NE(test::error_of(ErrorCode::kInvalidArgument, [&] { train(o); }).find("another process"),
            std::string::npos);
  close(lock);
}

TEST_F(Train, RefusesOptionsOutOfRange) {
  LINNET_NEEDS(model);
  const auto refused = [&](const std::string& message, auto change) {
    TrainOptions o = options("out");
    o.directory = UsedDirectory::kOverwrite;
    o.trainer.max_steps = -1;
    change(o.trainer);
    const std::string what = test::error_of(ErrorCode::kInvalidArgument, [&] { train(o); });
    EXPECT_NE(what.find(message), std::string::npos) << what;
  };
  using Options = train::TrainerOptions;
  refused("epochs", [](Options& o) { o.epochs = 0; });
  refused("epochs", [](Options& o) { o.epochs = 1e18; });
  refused("learning rate", [](Options& o) { o.learning_rate = -1; });
  refused("warm-up", [](Options& o) { o.warmup = 1e18; });
  refused("betas", [](Options& o) { o.optimizer.beta1 = 1; });
  refused("betas", [](Options& o) { o.optimizer.beta2 = -0.1; });
  refused("weight decay", [](Options& o) { o.optimizer.weight_decay = -1; });
  refused("smoothing", [](Options& o) { o.label_smoothing = 1; });
}

TEST_F(Train, OverwritingRemovesTheCheckpointsOfTheEarlierRun) {
  LINNET_NEEDS(model);
  TrainOptions o = options("out");
  train(o);
  o.directory = UsedDirectory::kOverwrite;
  o.trainer.max_steps = 5;
  o.run.save_total_limit = 1;
  train(o);
  EXPECT_TRUE(fs::exists(fs::path(o.run.output_dir) / "checkpoint-5"));
  for (const char* old : {"checkpoint-4", "checkpoint-8", "checkpoint-12"}) {
    EXPECT_FALSE(fs::exists(fs::path(o.run.output_dir) / old)) << old;
  }
}

TEST_F(Train, LearnsAndLeavesAModelForEveryCommand) {
  LINNET_NEEDS(model);
  TrainOptions o = options("out");
  o.trainer.max_steps = 120;
  o.trainer.learning_rate = 3e-3;
  o.run.save_total_limit = 2;
  train(o);
  const TaskModel trained = load_task_model(dir.path("out"), {});
  EXPECT_TRUE(trained.encoder.warnings.empty());
  TextClassifier classifier(trained);
  const std::vector<TextInput> inputs{{"the film is great", {}}, {"a poor film", {}}};
  const auto answers = classifier.classify(inputs);
  EXPECT_EQ(answers[0].labels[0].label, 1);
  EXPECT_EQ(answers[1].labels[0].label, 0);
  int checkpoints = 0;
  for (const auto& entry : fs::directory_iterator(dir.path("out"))) {
    checkpoints += entry.path().filename().string().starts_with("checkpoint-") ? 1 : 0;
  }
  EXPECT_EQ(checkpoints, 2);
}

// Scored after every second step, the best model is the result; interrupted anywhere, the same.
TEST_F(Train, EvaluatesAndKeepsTheBest) {
  LINNET_NEEDS(model);
  const auto with_evaluation = [&](const std::string& output) {
    TrainOptions o = options(output);
    // The labels of the validation are the other way round: the first model is the best.
    std::string table = "label\tsentence\n";
    for (const char* word : {"good", "lovely", "great", "fine"}) {
      table += std::string("0\tthe film is ") + word + "\n1\ta film that was not " + word + "\n";
    }
    dir.write("dev.tsv", table);
    o.data.validation_file = dir.path("dev.tsv");
    o.run.evaluation = {Strategy::kSteps, 2};
    o.run.saving.steps = 2;
    o.run.save_total_limit = 2;
    o.run.load_best = true;
    o.evaluate_at_end = true;
    o.trainer.learning_rate = 3e-3;
    return o;
  };
  train(with_evaluation("whole"));
  const fs::path whole = dir.path("whole");
  const auto state = nlohmann::json::parse(bytes_of(whole / "trainer_state.json"));
  std::vector<double> losses;
  for (const auto& entry : state.at("log_history")) {
    if (entry.contains("eval_loss")) losses.push_back(entry.at("eval_loss"));
  }
  ASSERT_EQ(losses.size(), 6u);
  const auto best = std::min_element(losses.begin(), losses.end());
  EXPECT_EQ(state.at("best_metric"), *best);
  EXPECT_EQ(state.at("best_global_step"), 2 * (best - losses.begin() + 1));
  EXPECT_LT(best - losses.begin(), 5) << "the test shows nothing when the last is the best";
  const std::string name = state.at("best_model_checkpoint");
  EXPECT_EQ(bytes_of(whole / name / "model.safetensors"), weights("whole"));
  const auto results = nlohmann::json::parse(bytes_of(whole / "eval_results.json"));
  EXPECT_EQ(results.at("eval_loss"), *best);
  EXPECT_EQ(results.at("eval_samples"), 8);
  // The two newest, and the best.
  EXPECT_TRUE(fs::exists(whole / "checkpoint-12"));
  EXPECT_FALSE(fs::exists(whole / (name == "checkpoint-4" ? "checkpoint-6" : "checkpoint-4")));

  TrainOptions o = with_evaluation("resumed");
  o.run.save_total_limit = 0;
  train(o);
  const fs::path resumed = dir.path("resumed");
  for (const auto& entry : fs::directory_iterator(resumed)) {
    const std::string file = entry.path().filename();
    if (file != "checkpoint-2" && file != "checkpoint-4") fs::remove_all(entry.path());
  }
  o.resume = Resume::kYes;
  train(o);
  for (const char* file :
       {"model.safetensors", "trainer_state.json", "checkpoint-12/manifest.json"}) {
    EXPECT_EQ(bytes_of(resumed / file), bytes_of(whole / file)) << file;
  }
}

TEST_F(Train, StopsEarlyAndStaysStopped) {
  LINNET_NEEDS(model);
  TrainOptions o = options("out");
  o.data.validation_file = data();
  o.run.evaluation = {Strategy::kSteps, 1};
  o.run.patience = 3;
  o.run.patience_threshold = 100;  // nothing is such an improvement
  EXPECT_EQ(train(o).steps, 4);
  const std::string state = bytes_of(fs::path(dir.path("out")) / "trainer_state.json");
  EXPECT_EQ(nlohmann::json::parse(state).at("stopped_early"), true);
  EXPECT_EQ(nlohmann::json::parse(state).at("finished"), true);
  EXPECT_TRUE(fs::exists(fs::path(dir.path("out")) / "checkpoint-4"));
  o.resume = Resume::kYes;
  EXPECT_EQ(train(o).steps, 4);
  EXPECT_EQ(bytes_of(fs::path(dir.path("out")) / "trainer_state.json"), state);
}

TEST_F(Train, TheMetricIsKnownBeforeTheFirstStep) {
  LINNET_NEEDS(model);
  TrainOptions o = options("out");
  o.data.validation_file = data();
  o.run.metric = "eval_bleu";
  const std::string what = test::error_of(ErrorCode::kInvalidArgument, [&] { train(o); });
  EXPECT_NE(what.find("\"eval_bleu\", expected one of loss, accuracy, f1"), std::string::npos)
      << what;
  for (const char* name : {"eval_loss", "accuracy", "matthews_correlation"}) {
    o.run.metric = name;
    o.directory = UsedDirectory::kOverwrite;
    o.trainer.max_steps = 1;
    train(o);
  }
}

TEST_F(Train, TrainLossIsTheMeanOfAllSteps) {
  LINNET_NEEDS(model);
  TrainOptions o = options("out");
  o.run.logging.steps = 1;
  const TrainResult result = train(o);
  const auto state =
      nlohmann::json::parse(bytes_of(fs::path(dir.path("out")) / "trainer_state.json"));
  double sum = 0;
  for (const auto& entry : state.at("log_history")) sum += entry.at("loss").get<double>();
  EXPECT_DOUBLE_EQ(result.loss, sum / 12);
  const auto results =
      nlohmann::json::parse(bytes_of(fs::path(dir.path("out")) / "train_results.json"));
  EXPECT_EQ(results.at("train_loss"), result.loss);
  EXPECT_EQ(results.at("train_file_xxh3").get<std::string>().size(), 32u);
}

// The tensors of frozen layers keep their bytes, the others do not.
TEST_F(Train, FrozenLayersStayAsTheyAre) {
  LINNET_NEEDS(model);
  const auto parameters = [&](const std::string& from) {
    std::map<std::string, std::vector<float>> all;
    LoadOptions load;
    load.head = HeadKind::kSequenceClassification;
    const TrainableEncoder encoder = load_trainable_encoder(weights::Checkpoint(from), load);
    for (const NamedParameter& p : encoder.tensors) {
      const float* begin = encoder.parameters->word.data + p.offset;
      all[p.canonical].assign(begin, begin + p.elements());
    }
    return all;
  };
  TrainOptions o = options("out");
  o.trainer.layers.frozen = 2;  // embeddings and the first block
  train(o);
  const auto before = parameters(model.string()), after = parameters(dir.path("out"));
  for (const auto& [name, values] : before) {
    const bool frozen = name.find("embeddings.") != name.npos || name.find("layer.0.") != name.npos;
    EXPECT_EQ(values == after.at(name), frozen) << name;
  }
  o = options("decay");
  o.trainer.layers.rate_decay = 0.5;
  train(o);
  EXPECT_NE(weights("decay"), weights("out"));
  o = options("none");
  o.trainer.layers.frozen = 100;
  EXPECT_NE(test::error_of(ErrorCode::kInvalidArgument, [&] { train(o); }).find("frozen"),
            std::string::npos);
}

TEST_F(Train, BadDataIsNamed) {
  LINNET_NEEDS(model);
  TrainOptions o = options("out");
  dir.write("broken.tsv", "label\tsentence\n1\tgood\n0\n");
  o.data.train_file = dir.path("broken.tsv");
  EXPECT_NE(test::error_of(ErrorCode::kFormat, [&] { train(o); }).find("line 3"),
            std::string::npos);
  dir.write("one.tsv", "label\tsentence\nyes\tgood\nyes\tbad\n");
  o.data.train_file = dir.path("one.tsv");
  EXPECT_NE(test::error_of(ErrorCode::kFormat, [&] { train(o); }).find("every label"),
            std::string::npos);
  for (const char* label : {"nan", "-inf", "1e999"}) {
    dir.write("number.tsv", std::string("label\tsentence\n1.5\tgood\n") + label + "\tbad\n");
    o.data.train_file = dir.path("number.tsv");
    EXPECT_NE(test::error_of(ErrorCode::kFormat, [&] { train(o); }).find("line 3"),
              std::string::npos)
        << label;
  }
  o = options("exploding");
  o.trainer.learning_rate = 1e30;
  o.trainer.optimizer.max_grad_norm = 0;
  const std::string message = test::error_of(ErrorCode::kNumeric, [&] { train(o); });
  EXPECT_TRUE(message.starts_with("step ")) << message;
  EXPECT_TRUE(message.find("the gradient of \"") != message.npos ||
              message.find("the parameter \"") != message.npos)
      << message;
  EXPECT_NE(message.find("no checkpoint was made yet"), std::string::npos) << message;
}

}  // namespace
}  // namespace linnet::tools
