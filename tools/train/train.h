#pragma once

#include <optional>
#include <string>

#include "engine/models/encoder_model.h"
#include "tools/train/data_set.h"
#include "tools/train/run.h"

namespace linnet::tools {

enum class Resume { kNo, kYes };
/// What is done about an output directory that is not empty when a run does not resume.
enum class UsedDirectory { kRefuse, kOverwrite };

struct TrainOptions {
  std::string model;
  DataOptions data;
  RunOptions run;
  Resume resume = Resume::kNo;
  std::string resume_from;  // the checkpoint; empty: the newest of output_dir
  UsedDirectory directory = UsedDirectory::kRefuse;
  bool evaluate_at_end = false;
  /// Where the tokens of the files are kept for the next run; empty: nowhere. Without one they are
  /// kept in output_dir until the run has ended.
  std::optional<std::string> data_cache{};
  CacheUse cache_use = CacheUse::kReuse;
  Start start = Start::kCheckpoint;
  std::string config_overrides;  // with a start from scratch
  LoadOptions load;
  int threads = 1;
  train::TrainerOptions trainer;  // dropout is read from config.json
};

/// Trains a model with the head of the task. Leaves in output_dir the model, ready for every
/// other command, trainer_state.json, train_results.json (with eval_results.json all_results.json),
/// checkpoint-N, and what it answers to data.test_file. A run that resumes gives the bytes of one
/// that was never interrupted. Throws kInvalidArgument when another process trains into the same
/// directory, or when a resumed run has other options.
TrainResult train(const TrainOptions& options, io::ShowProgress show, const cli::Log& log);

}  // namespace linnet::tools
