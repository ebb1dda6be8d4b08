#pragma once

#include <cstdint>
#include <vector>

#include "engine/models/training.h"
#include "engine/train/examples.h"
#include "engine/train/optimizer.h"
#include "engine/train/schedule.h"

namespace linnet::train {

/// What the loss of an optimizer step is divided by: its labels, or each micro-batch's, averaged.
enum class LossNormalization { kTokens, kMicroBatchMean };

/// kNone: examples in the order of the shuffle; kLength: see group_by_length().
enum class Grouping { kNone, kLength };

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
  Grouping grouping = Grouping::kNone;
  std::uint64_t seed = 42, data_seed = 42;  // data_seed: of the order of examples
  DropoutProbabilities dropout;
  Recompute recompute = Recompute::kNo;
  Precision precision = Precision::kFloat32;  // of the products; not kInt8
  LayerOptions layers;
  /// Activations are kept for this many tokens at a time, at least the longest example. Results do
  /// not depend on it.
  std::int64_t tokens_per_pass = 4096;
  std::int64_t longest_evaluated = 0;  // tokens of the longest sequence that evaluate() gets
};

/// What a model gives for examples.
struct Evaluation {
  double loss = 0;  // without smoothing, mean over the labels
  /// A row of each sequence, or of each token, in the order of the examples.
  std::vector<float> logits;
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
  /// and for labels that the head does not have; kLimit when the memory that it needs is more than
  /// there is, saying how much.
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

  /// Throws kNumeric, naming step and tensor, when loss or gradients are not finite: the parameters
  /// are then as before.
  StepResult step();
  /// Nothing is changed. Examples as in the constructor.
  Evaluation evaluate(const Examples& examples);
  /// Throws kNumeric, naming step and tensor, when a parameter is not finite, or the loss that the
  /// parameters give for the first examples.
  void check_parameters();

  TrainableModel& model() { return model_; }
  Optimizer& optimizer() { return optimizer_; }

 private:
  /// Throw kInvalidArgument for ids, lengths and labels out of range.
  void check_batch(const ExampleBatch& part) const;
  void check_examples(const Examples& examples) const;
  void begin_epoch(std::int64_t epoch);
  /// Labels of sequences [begin, end) of the epoch's order.
  LabelCounts count(std::int64_t begin, std::int64_t end);
  /// Sequences [begin, end) of the epoch's order, in passes of tokens_per_pass.
  double run_range(std::int64_t begin, std::int64_t end, const LabelCounts& divisors);
  [[noreturn]] void fail_loss() const;

  TrainableModel& model_;
  Examples examples_;
  TrainerOptions options_;
  std::int64_t steps_per_epoch_, total_steps_, longest_;
  Schedule schedule_;
  std::unique_ptr<ModelTraining> training_;
  Optimizer optimizer_;
  std::vector<std::int64_t> order_;  // of the epoch
  std::int64_t order_epoch_ = -1;
  ExampleBatch part_;
};

}  // namespace linnet::train
