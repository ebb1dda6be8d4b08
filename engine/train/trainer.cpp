#include "engine/train/trainer.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/core/random.h"
#include "weights/base/error.h"

namespace linnet::train {
namespace {

void require(bool holds, const char* what) {
  if (!holds) throw Error(ErrorCode::kInvalidArgument, std::string("training: ") + what);
}

std::int64_t longest_of(const Examples& examples) {
  std::int64_t longest = 0;
  for (std::int64_t i = 0; i < examples.size(); ++i) {
    longest = std::max(longest, examples.length(i));
  }
  return longest;
}

const TrainerOptions& checked(const TrainerOptions& o, const Examples& examples) {
  require(examples.size() > 0, "there is no example");
  require(o.batch_size > 0 && o.accumulation > 0, "batch sizes must be above 0");
  // Bounds that keep numbers of steps in 64 bits.
  require(o.max_steps > 0 || (o.epochs > 0 && o.epochs <= 1e6),
          "the number of epochs must be above 0 and at most 1e6");
  require(o.learning_rate >= 0 && std::isfinite(o.learning_rate),
          "the learning rate must be 0 or more");
  require(o.warmup >= 0 && o.warmup <= 1e15, "the warm-up must be in 0 to 1e15");
  const OptimizerOptions& a = o.optimizer;
  require(a.beta1 >= 0 && a.beta1 < 1 && a.beta2 >= 0 && a.beta2 < 1,
          "the betas of AdamW must be in 0 to below 1");
  require(a.epsilon >= 0 && a.weight_decay >= 0 && a.max_grad_norm >= 0,
          "epsilon, weight decay and the greatest norm must be 0 or more");
  require(o.label_smoothing >= 0 && o.label_smoothing < 1,
          "label smoothing must be in 0 to below 1");
  return o;
}

std::int64_t divided_up(std::int64_t n, std::int64_t by) { return (n + by - 1) / by; }

std::int64_t total_of(const TrainerOptions& o, std::int64_t steps_per_epoch) {
  if (o.max_steps > 0) return o.max_steps;
  return static_cast<std::int64_t>(std::ceil(o.epochs * static_cast<double>(steps_per_epoch)));
}

// No pass has more sequences than one optimizer step, and none is longer than the longest.
TrainingSize pass_size(const TrainerOptions& o, std::int64_t longest) {
  const std::int64_t tokens =
      std::max(std::min(o.tokens_per_pass, o.batch_size * longest), longest);
  return {tokens, std::min(o.batch_size, tokens), longest, o.recompute};
}

}  // namespace

Trainer::Trainer(TrainableModel& model, const kernels::KernelTable& kernels, int threads,
                 Examples examples, const TrainerOptions& options)
    : model_(model),
      examples_(std::move(examples)),
      options_(checked(options, examples_)),
      steps_per_epoch_(divided_up(examples_.size(), options.batch_size * options.accumulation)),
      total_steps_(total_of(options, steps_per_epoch_)),
      longest_(longest_of(examples_)),
      training_(model.training(kernels, threads, pass_size(options, longest_))),
      optimizer_(model, options.optimizer) {
  schedule_.kind = options.schedule;
  schedule_.total = total_steps_;
  schedule_.warmup = static_cast<std::int64_t>(
      options.warmup < 1 ? std::ceil(options.warmup * static_cast<double>(total_steps_))
                         : options.warmup);
  std::vector<std::int32_t> positions(examples_.tokens.size());
  for (std::int64_t i = 0; i < examples_.size(); ++i) {
    const auto begin = positions.begin() + examples_.starts[static_cast<std::size_t>(i)];
    std::iota(begin, begin + examples_.length(i), 0);
  }
  const Batch all{examples_.tokens, positions, examples_.types, examples_.starts};
  check(all, model.limits());
  TrainingTargets targets;
  targets.labels = examples_.labels;
  targets.values = examples_.values;
  model.check_targets(all, targets);
}

// Fisher and Yates with counter-based numbers: a function of seed and epoch.
void Trainer::shuffle(std::int64_t epoch) {
  if (order_epoch_ == epoch) return;
  order_epoch_ = epoch;
  order_.resize(static_cast<std::size_t>(examples_.size()));
  std::iota(order_.begin(), order_.end(), 0);
  const std::uint32_t stream = random_stream(RandomPurpose::kShuffle, 0, 0);
  for (std::size_t i = order_.size() - 1; i > 0; --i) {
    const auto words =
        philox({static_cast<std::uint32_t>(i), 0, static_cast<std::uint32_t>(epoch), stream},
               options_.seed);
    const std::uint64_t wide = std::uint64_t{words[0]} << 32 | words[1];
    std::swap(order_[i], order_[static_cast<std::size_t>(wide % (i + 1))]);
  }
}

void Trainer::add(Part& part, std::int64_t position) const {
  const std::int64_t example = order_[static_cast<std::size_t>(position)];
  const auto i = static_cast<std::size_t>(example);
  const std::int64_t begin = examples_.starts[i], n = examples_.length(example);
  part.tokens.insert(part.tokens.end(), examples_.tokens.begin() + begin,
                     examples_.tokens.begin() + begin + n);
  if (!examples_.types.empty()) {
    part.types.insert(part.types.end(), examples_.types.begin() + begin,
                      examples_.types.begin() + begin + n);
  }
  for (std::int64_t t = 0; t < n; ++t) part.positions.push_back(static_cast<std::int32_t>(t));
  part.starts.push_back(part.starts.back() + n);
  if (!examples_.labels.empty()) part.labels.push_back(examples_.labels[i]);
  if (!examples_.values.empty()) part.values.push_back(examples_.values[i]);
  part.samples.push_back(static_cast<std::uint32_t>(position));
}

double Trainer::run(const Part& part, const LabelCounts& divisors) {
  TrainingPass pass;
  pass.targets.labels = part.labels;
  pass.targets.values = part.values;
  pass.divisors = divisors;
  pass.smoothing = options_.label_smoothing;
  pass.probabilities = options_.dropout;
  pass.dropout = {options_.seed, static_cast<std::uint32_t>(optimizer_.steps()), part.samples};
  return training_->accumulate({part.tokens, part.positions, part.types, part.starts}, pass);
}

double Trainer::run_range(std::int64_t begin, std::int64_t end, double divisor) {
  LabelCounts divisors;
  divisors.labels = divisor;
  const TrainingSize size = pass_size(options_, longest_);
  double loss = 0;
  for (std::int64_t position = begin; position < end;) {
    part_ = {};
    part_.starts.push_back(0);
    for (; position < end; ++position) {
      const std::int64_t n = examples_.length(order_[static_cast<std::size_t>(position)]);
      const auto sequences = static_cast<std::int64_t>(part_.samples.size());
      if (part_.starts.back() + n > size.tokens || sequences == size.sequences) break;
      add(part_, position);
    }
    loss += run(part_, divisors);
  }
  return loss;
}

StepResult Trainer::step() {
  const std::int64_t step = optimizer_.steps(), epoch = step / steps_per_epoch_;
  shuffle(epoch);
  const std::int64_t whole = options_.batch_size * options_.accumulation;
  const std::int64_t begin = step % steps_per_epoch_ * whole;
  const std::int64_t end = std::min(begin + whole, examples_.size());
  training_->clear_gradients();
  StepResult result;
  if (options_.normalization == LossNormalization::kTokens) {
    result.loss = run_range(begin, end, static_cast<double>(end - begin));
  } else {
    const std::int64_t parts = divided_up(end - begin, options_.batch_size);
    for (std::int64_t from = begin; from < end; from += options_.batch_size) {
      const std::int64_t to = std::min(from + options_.batch_size, end);
      result.loss += run_range(from, to, static_cast<double>((to - from) * parts));
    }
  }
  training_->join_gradients();
  for (std::int64_t i = begin; i < end; ++i) {
    result.tokens += examples_.length(order_[static_cast<std::size_t>(i)]);
  }
  if (!std::isfinite(result.loss)) {
    throw Error(ErrorCode::kNumeric,
                "step " + std::to_string(step + 1) + ": the loss is not finite");
  }
  result.learning_rate = options_.learning_rate * schedule_.factor(step);
  result.gradient_norm =
      optimizer_.step(training_->context(), training_->gradients(), result.learning_rate);
  result.step = step + 1;
  return result;
}

}  // namespace linnet::train
