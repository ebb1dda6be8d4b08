#pragma once

#include <cstdint>
#include <vector>

#include "engine/models/training.h"
#include "engine/train/optimizer.h"
#include "engine/train/schedule.h"

namespace linnet::train {

/// Examples of sequence classification or regression as ids, packed end to end.
struct Examples {
  std::vector<std::int32_t> tokens, types;  // types: empty where the model has none
  std::vector<std::int64_t> starts{0};
  std::vector<std::int64_t> labels;  // one a sequence, or
  std::vector<float> values;         // one a sequence

  std::int64_t size() const { return static_cast<std::int64_t>(starts.size()) - 1; }
  std::int64_t length(std::int64_t i) const {
    return starts[static_cast<std::size_t>(i) + 1] - starts[static_cast<std::size_t>(i)];
  }
};

/// What the loss of an optimizer step is divided by: its labels, or each micro-batch's, averaged.
enum class LossNormalization { kTokens, kMicroBatchMean };

struct TrainerOptions {
  std::int64_t batch_size = 8, accumulation = 1;
  double epochs = 3;
  std::int64_t max_steps = -1;  // above 0: instead of epochs
  double learning_rate = 5e-5;
  ScheduleKind schedule = ScheduleKind::kLinear;
  double warmup = 0;  // steps; below 1: the share of all steps
  OptimizerOptions optimizer;
  double label_smoothing = 0;
  LossNormalization normalization = LossNormalization::kTokens;
  std::uint64_t seed = 42;
  DropoutProbabilities dropout;
  Recompute recompute = Recompute::kNo;
  /// Activations are kept for this many tokens at a time, at least the longest example. Results do
  /// not depend on it.
  std::int64_t tokens_per_pass = 4096;
};

/// What one optimizer step did.
struct StepResult {
  std::int64_t step = 0;  // from 1
  double loss = 0, learning_rate = 0, gradient_norm = 0;
  std::int64_t tokens = 0;
};

/// The training loop without files. A step is a function of the parameters, the optimizer's state
/// and the number of the step: order of examples and dropout come from counters.
class Trainer {
 public:
  /// The model must outlive it. Throws kInvalidArgument for options out of range, for no example,
  /// and for labels that the head does not have.
  Trainer(TrainableModel& model, const kernels::KernelTable& kernels, int threads,
          Examples examples, const TrainerOptions& options);

  std::int64_t steps_per_epoch() const { return steps_per_epoch_; }
  std::int64_t total_steps() const { return total_steps_; }
  std::int64_t steps() const { return optimizer_.steps(); }
  double epoch() const {
    return static_cast<double>(steps()) / static_cast<double>(steps_per_epoch_);
  }
  bool finished() const { return steps() >= total_steps_; }
  std::int64_t activation_bytes() const { return training_->activation_bytes(); }

  StepResult step();

  TrainableModel& model() { return model_; }
  Optimizer& optimizer() { return optimizer_; }

 private:
  /// Sequences of the step in their order, as one packed batch.
  struct Part {
    std::vector<std::int32_t> tokens, positions, types;
    std::vector<std::int64_t> starts, labels;
    std::vector<float> values;
    std::vector<std::uint32_t> samples;
  };
  void shuffle(std::int64_t epoch);
  void add(Part& part, std::int64_t position) const;
  double run(const Part& part, const LabelCounts& divisors);
  /// Sequences [begin, end) of the epoch's order, in passes of tokens_per_pass.
  double run_range(std::int64_t begin, std::int64_t end, double divisor);

  TrainableModel& model_;
  Examples examples_;
  TrainerOptions options_;
  std::int64_t steps_per_epoch_, total_steps_, longest_;
  Schedule schedule_;
  std::unique_ptr<ModelTraining> training_;
  Optimizer optimizer_;
  std::vector<std::int64_t> order_;  // of the epoch
  std::int64_t order_epoch_ = -1;
  Part part_;
};

}  // namespace linnet::train
