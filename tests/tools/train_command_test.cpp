// `linnet train` from outside: its options, those of scripts for transformers, and exit codes.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/support/data.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/tools/train_program.h"

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

// Under either name; a run is not resumed in another precision.
TEST_F(TrainCommand, ThePrecisionIsKept) {
  LINNET_NEEDS(model_);
  ASSERT_EQ(train({"--bf16", "--max-steps", "1"}).exit_code, 0);
  const Finished other = train({"--max-steps", "1", "--resume"});
  EXPECT_EQ(other.exit_code, 1);
  EXPECT_NE(other.err.find("--precision bf16"), std::string::npos) << other.err;
  EXPECT_EQ(train({"--precision", "bf16", "--max-steps", "1", "--resume"}).exit_code, 0);
}

TEST_F(TrainCommand, SaysWhatIsWrong) {
  LINNET_NEEDS(model_);
  const auto refused = [&](const Words& words, int code, const char* part) {
    const Finished done = train(words);
    EXPECT_EQ(done.exit_code, code) << words[0];
    EXPECT_NE(done.err.find(part), std::string::npos) << done.err;
  };
  refused({"--warmup-ratio", "1.5"}, 2, "warmup-ratio");
  refused({"--optim", "adam"}, 2, "optim");
  refused({"--deepspeed", "ds.json"}, 2, "--deepspeed: one process trains\n");
  refused({"--adam-beta1", "1"}, 1, "betas");
  refused({"--layerwise-lr-decay", "0"}, 1, "layer to layer");
  refused({"--eval-strategy", "epoch"}, 2, "--validation-file");
  refused({"--do-eval"}, 2, "--validation-file");
  const Words validation{"--validation-file", dir_.path("train.tsv")};
  const auto with_validation = [&](Words words) {
    words.insert(words.end(), validation.begin(), validation.end());
    return words;
  };
  refused(with_validation({"--do-eval"}), 2, "--do-train");
  refused(with_validation({"--load-best-model-at-end"}), 2, "--eval-strategy");
  refused(with_validation({"--load-best-model-at-end", "--eval-strategy", "epoch"}), 2,
          "--save-strategy");
  refused(with_validation({"--load-best-model-at-end", "--eval-strategy", "steps", "--eval-steps",
                           "3", "--save-steps", "4"}),
          2, "multiple");
  refused(with_validation({"--eval-strategy", "epoch", "--metric-for-best-model", "bleu"}), 1,
          "expected one of loss, accuracy");
}

// As they stand in scripts for transformers.
TEST_F(TrainCommand, CommandLinesOfTransformersRun) {
  LINNET_NEEDS(model_);
  words({});  // writes the table
  const std::string table = dir_.path("train.tsv");
  const Finished glue = run({.arguments = {LINNET_PROGRAM,
                                           "run_glue",
                                           "--model_name_or_path",
                                           model_.string(),
                                           "--task_name",
                                           "sst2",
                                           "--train_file",
                                           table,
                                           "--validation_file",
                                           table,
                                           "--do_train",
                                           "--do_eval",
                                           "True",
                                           "--max_seq_length",
                                           "32",
                                           "--per_device_train_batch_size",
                                           "2",
                                           "--per_device_eval_batch_size",
                                           "8",
                                           "--learning_rate",
                                           "2e-5",
                                           "--num_train_epochs",
                                           "2",
                                           "--output_dir",
                                           out_.string(),
                                           "--overwrite_output_dir",
                                           "--pad_to_max_length",
                                           "False",
                                           "--lr_scheduler_type",
                                           "cosine",
                                           "--warmup_ratio",
                                           "0.1",
                                           "--weight_decay",
                                           "0.01",
                                           "--max_grad_norm",
                                           "1.0",
                                           "--logging_steps",
                                           "1",
                                           "--save_strategy",
                                           "epoch",
                                           "--evaluation_strategy",
                                           "epoch",
                                           "--load_best_model_at_end",
                                           "True",
                                           "--metric_for_best_model",
                                           "eval_accuracy",
                                           "--greater_is_better",
                                           "True",
                                           "--save_total_limit",
                                           "1",
                                           "--seed",
                                           "1",
                                           "--group_by_length",
                                           "True",
                                           "--fp16",
                                           "False",
                                           "--report_to",
                                           "none",
                                           "--overwrite_cache",
                                           "--gradient_accumulation_steps=1",
                                           "--optim=adamw_torch"}});
  ASSERT_EQ(glue.exit_code, 0) << glue.err;
  EXPECT_NE(glue.err.find("change nothing here: --pad-to-max-length"), std::string::npos)
      << glue.err;
  EXPECT_TRUE(file("eval_results.json").contains("eval_accuracy"));
  EXPECT_TRUE(file("all_results.json").contains("train_loss"));
  int evaluations = 0;
  const Json state = file("trainer_state.json");
  for (const Json& entry : state.at("log_history")) {
    evaluations += entry.contains("eval_matthews_correlation") ? 1 : 0;
  }
  EXPECT_EQ(evaluations, 2);
  EXPECT_TRUE(state.at("best_metric").is_number());

  dir_.write("squad.json",
             R"({"data": [{"id": "a", "context": "the film is good", "question": "what is good",
                 "answers": {"text": ["film"], "answer_start": [4]}}]})");
  const std::string squad = dir_.path("squad.json");
  const Finished qa = run({.arguments = {LINNET_PROGRAM,
                                         "run_qa",
                                         "--model_name_or_path",
                                         model_without_head(dir_),
                                         "--train_file",
                                         squad,
                                         "--validation_file",
                                         squad,
                                         "--do_train",
                                         "--do_eval",
                                         "--max_seq_length",
                                         "32",
                                         "--doc_stride",
                                         "8",
                                         "--n_best_size",
                                         "5",
                                         "--max_answer_length",
                                         "10",
                                         "--version_2_with_negative",
                                         "--null_score_diff_threshold",
                                         "0.5",
                                         "--max_steps",
                                         "2",
                                         "--output_dir",
                                         dir_.path("qa")}});
  ASSERT_EQ(qa.exit_code, 0) << qa.err;
  EXPECT_EQ(Json::parse(std::ifstream(dir_.path("qa/eval_results.json"))).at("eval_samples"), 1);
}

// Refused before the first step: the memory would be filled step by step.
TEST_F(TrainCommand, TooLittleMemoryIsSaidBeforehand) {
#if defined(LINNET_SANITIZED)
  GTEST_SKIP() << "sanitizers take the address space";
#endif
  LINNET_NEEDS(model_);
  LINNET_NEEDS(minilm_dir());
  words({});  // writes the table
  const std::string command = "ulimit -v 400000; exec " + std::string(LINNET_PROGRAM) +
                              " train --threads 1 --model " + minilm_dir().string() +
                              " --train-file " + dir_.path("train.tsv") + " --output-dir " +
                              out_.string();
  const Finished done = run({.arguments = {"/bin/sh", "-c", command}});
  EXPECT_EQ(done.exit_code, 1);
  EXPECT_NE(done.err.find("training: activations, gradients and the optimizer need"),
            std::string::npos)
      << done.err;
  EXPECT_NE(done.err.find("MiB of free memory"), std::string::npos) << done.err;
}

TEST_F(TrainCommand, WhatIsNotHereIsRefused) {
  LINNET_NEEDS(model_);
  for (const char* option : {"--fp16", "--push_to_hub", "--deepspeed=x.json",
                             "--dataset_name=squad", "--tokenizer_name=x"}) {
    const Finished done = train({option});
    EXPECT_EQ(done.exit_code, 2) << option;
    EXPECT_NE(done.err.find(std::string(option).substr(2, 2)), std::string::npos) << done.err;
  }
  const Finished no_file =
      run({.arguments = {LINNET_PROGRAM, "train", "--model", model_.string(), "--task-name", "mrpc",
                         "--output-dir", out_.string()}});
  EXPECT_EQ(no_file.exit_code, 2);
  EXPECT_NE(no_file.err.find("not downloaded"), std::string::npos) << no_file.err;
}

}  // namespace
}  // namespace linnet::test
