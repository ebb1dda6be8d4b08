#pragma once

#include <string>

#include "engine/models/encoder_parameters.h"
#include "engine/train/trainer.h"
#include "tools/cli/log.h"
#include "tools/io/progress.h"
#include "tools/train/labelled_texts.h"

namespace linnet::tools {

enum class Resume { kNo, kYes };
/// What is done about an output directory that is not empty when a run does not resume.
enum class UsedDirectory { kRefuse, kOverwrite };

struct TrainOptions {
  std::string model, train_file, output_dir;
  LabelledColumns columns;
  std::int64_t max_length = 128, max_samples = -1;
  std::int64_t logging_steps = 500, save_steps = 500, save_total_limit = 0;  // 0: none, all
  Resume resume = Resume::kNo;
  UsedDirectory directory = UsedDirectory::kRefuse;
  LoadOptions load;
  int threads = 1;
  train::TrainerOptions trainer;  // dropout is read from config.json
  std::string command;            // every option that the result depends on, as text
};

struct TrainResult {
  double loss = 0;  // mean of the steps since the last entry of the log, or of that entry
  std::int64_t steps = 0;
  int signal = 0;  // SIGINT or SIGTERM, after which the state was saved
};

/// Fine-tunes a sequence classifier on the texts of a file. Leaves in output_dir the model, ready
/// for every other command, trainer_state.json, train_results.json and checkpoint-N. A run that
/// resumes gives the bytes of one that was never interrupted. Throws kInvalidArgument when another
/// process trains into the same directory, or when a resumed run has other options.
TrainResult train_classifier(const TrainOptions& options, io::ShowProgress show,
                             const cli::Log& log);

}  // namespace linnet::tools
