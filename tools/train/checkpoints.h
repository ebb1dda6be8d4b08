#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/train/trainer.h"
#include "tools/cli/log.h"
#include "weights/checkpoint.h"

// checkpoint-N directories: complete or absent, verified before they are used.
namespace linnet::tools {

/// One entry of the log of a run: of training (grad_norm, learning_rate, loss) or of an evaluation
/// (eval_…).
struct LogEntry {
  std::int64_t step = 0;
  double epoch = 0;
  std::vector<std::pair<std::string, double>> values;
};

/// What goes on beside parameters and moments.
struct RunState {
  std::int64_t step = 0;
  double loss_sum = 0;          // of the steps since the last entry
  std::int64_t loss_steps = 0;  // their number
  double loss_total = 0;        // of all steps
  std::vector<LogEntry> log;
  std::string options;  // what the run was started with: a resumed run must have the same
  std::optional<double> best_metric{};
  std::int64_t best_step = 0;
  std::int64_t worse = 0;  // evaluations in a row that did not improve
  bool stopped = false;    // before its last step, because of them
};

/// trainer_state.json, with the names of transformers' Trainer.
std::string state_text(const train::Trainer& trainer, const RunState& state);

/// checkpoint-STEP
std::string checkpoint_name(std::int64_t step);

struct CheckpointSource {
  const std::string& config;          // config.json of the model in training
  const weights::Checkpoint& source;  // where the tokenizer comes from
};

/// Writes OUTPUT/checkpoint-STEP: model, optimizer.safetensors, trainer_state.json, and last
/// manifest.json with size and XXH3-128 of every file; then its name. Keeps the newest `limit`
/// checkpoints and the best one, all with 0. Throws kNumeric, and writes nothing, when a parameter
/// or the loss is not finite.
void save_checkpoint(const std::string& output, train::Trainer& trainer, const RunState& state,
                     const CheckpointSource& files, std::int64_t limit);

/// Removes the checkpoints of an earlier run: --resume and `limit` would take them for this one's.
void remove_checkpoints(const std::string& output);

/// Throws kFormat unless the files are what the checkpoint's manifest says.
void verify_checkpoint(const std::string& path);

/// The newest checkpoint whose files are what its manifest says; those passed over are logged with
/// the reason.
std::optional<std::string> newest_checkpoint(const std::string& output, const cli::Log& log);

/// Reads the state of a checkpoint, and the optimizer's into the trainer. Throws kFormat for files
/// that do not fit the model.
RunState load_state(const std::string& checkpoint, train::Trainer& trainer);

/// Reads the parameters of the checkpoint of this step. Throws kFormat unless its files are what
/// its manifest says.
void load_parameters(const std::string& output, std::int64_t step, TrainableModel& model);

/// The step of the newest checkpoint that is there, if there is one.
std::optional<std::int64_t> newest_step(const std::string& output);

}  // namespace linnet::tools
