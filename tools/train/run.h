#pragma once

#include <string>

#include "tools/io/progress.h"
#include "tools/train/checkpoints.h"
#include "tools/train/data_set.h"

namespace linnet::tools {

enum class Strategy { kNo, kSteps, kEpoch };

/// When something is done: every so many steps, or at the end of every epoch.
struct Interval {
  Strategy strategy = Strategy::kNo;
  std::int64_t steps = 0;  // of kSteps; 0: never

  bool is_off() const;
  bool is_due(std::int64_t step, std::int64_t steps_per_epoch) const;
};

struct RunOptions {
  std::string output_dir;
  Interval logging{Strategy::kSteps, 500}, saving{Strategy::kSteps, 500}, evaluation{};
  std::int64_t save_total_limit = 0;  // 0: all
  std::string metric = "loss";        // what is best, with "eval_" in front or not
  bool greater_is_better = false;
  bool load_best = false;         // the result is the best model, not the last
  std::int64_t patience = 0;      // evaluations without improvement that end the run; 0: none
  double patience_threshold = 0;  // less is no improvement
  std::string command;            // every option that the result depends on, as text
};

struct TrainResult {
  double loss = 0;  // mean over all steps
  std::int64_t steps = 0;
  std::int64_t broken = 0;  // records that were passed over
  int signal = 0;           // SIGINT or SIGTERM, after which the state was saved
};

struct Evaluated {
  Scores scores;
  std::vector<float> logits;
};

/// A run from its first step, or its next, to its last: log, evaluations, checkpoints.
class TrainRun {
 public:
  /// All arguments must outlive it. `validation` may be null. Throws kInvalidArgument when the
  /// metric is none that an evaluation gives.
  TrainRun(const RunOptions& options, train::Trainer& trainer, const CheckpointSource& files,
           const DataSet* validation);

  /// Throws kInvalidArgument for a checkpoint of other options.
  void resume(const std::string& checkpoint);
  /// Throws kNumeric and kIo naming the newest checkpoint, which is kept.
  TrainResult steps(io::ShowProgress show, const cli::Log& log);
  /// The best parameters, where they are asked for and there are any.
  void take_best(const cli::Log& log);
  /// The scores of the parameters as they are; none of a data set without labels.
  Evaluated evaluate(const DataSet& data);

  const RunState& state() const { return state_; }

 private:
  TrainResult steps_to_end(io::ShowProgress show, const cli::Log& log);
  train::StepResult step();
  void log_step(const train::StepResult& result, const cli::Log& log);
  void log_evaluation(const cli::Log& log);
  void judge(double metric);
  void add_entry(LogEntry entry, const cli::Log& log);
  std::int64_t save();  // gives its step
  bool is_last() const { return trainer_.finished() || state_.stopped; }

  const RunOptions& options_;
  train::Trainer& trainer_;
  CheckpointSource files_;
  const DataSet* validation_;
  RunState state_;
};

}  // namespace linnet::tools
