#pragma once

#include <string>
#include <vector>

#include "engine/core/context.h"
#include "engine/core/memory.h"
#include "engine/models/training.h"

namespace linnet::train {

enum class OptimizerKind { kAdamW, kSgd };

/// Which tensors weight decay shrinks: all, or all but biases and LayerNorms.
enum class DecayGroups { kMatrices, kEverything };

struct OptimizerOptions {
  OptimizerKind kind = OptimizerKind::kAdamW;
  double weight_decay = 0;
  DecayGroups decay_groups = DecayGroups::kMatrices;
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;  // AdamW
  double momentum = 0;                                // SGD
  bool nesterov = false;
  double max_grad_norm = 0;  // 0: no clipping
  /// Factors on the learning rate of each tensor; empty: all 1. A tensor with 0 has no gradient.
  std::vector<double> rates{};
};

/// What becomes of the layers below the head. The embeddings are layer 0, blocks 1 to L, the pooler
/// and the head L + 1.
struct LayerOptions {
  std::int64_t frozen = 0;  // so many of the lowest layers do not change
  double rate_decay = 1;    // a layer's learning rate is that of the one above, times this
};

/// The factor on the learning rate of each tensor of the model; 0: frozen.
std::vector<double> layer_rates(const TrainableModel& model, const LayerOptions& options);

/// AdamW and SGD with torch's semantics. State lies in blocks of the parameters' layout.
class Optimizer {
 public:
  /// The model must outlive it.
  Optimizer(const TrainableModel& model, const OptimizerOptions& options);

  /// One step with the gradients in the parameters' layout. Returns their norm before clipping: the
  /// root of the sum of squares in double, rows as in a row reduction and added in order. Throws
  /// kNumeric naming the first tensor with a gradient that is not finite; nothing has changed then.
  double step(const Context& ctx, const float* gradients, double learning_rate);

  std::int64_t steps() const { return steps_; }

  /// Bytes of the moments of this model.
  static std::int64_t state_bytes(const TrainableModel& model, const OptimizerOptions& options);

  /// One tensor of the state: "exp_avg", "exp_avg_sq" or "momentum_buffer", and where it lies.
  struct State {
    std::string name;
    float* base;
  };
  std::vector<State> state() const;
  /// After state() has been filled from a checkpoint.
  void resume_at(std::int64_t steps) { steps_ = steps; }

 private:
  double gradient_norm(const Context& ctx, const float* gradients);
  double rate(std::size_t tensor) const {
    return options_.rates.empty() ? 1 : options_.rates[tensor];
  }

  const TrainableModel& model_;
  OptimizerOptions options_;
  std::int64_t steps_ = 0;
  Block first_, second_;  // exp_avg or the momentum buffer; exp_avg_sq
  Block row_sums_;
};

}  // namespace linnet::train
