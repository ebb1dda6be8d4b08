#include "engine/train/trainer.h"

#include <algorithm>
#include <cmath>

#include "engine/core/available_memory.h"
#include "weights/base/error.h"
#include "weights/base/text.h"

namespace linnet::train {
namespace {

void require(bool holds, const char* what) {
  if (!holds) throw Error(ErrorCode::kInvalidArgument, std::string("training: ") + what);
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
  require(o.layers.frozen >= 0, "the number of frozen layers must be 0 or more");
  require(o.layers.rate_decay > 0 && o.layers.rate_decay <= 1,
          "the decay of learning rates from layer to layer must be above 0 and at most 1");
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
  return {tokens, std::min(o.batch_size, tokens), longest, o.recompute, o.precision};
}

// Whether a pass has room for one more sequence of this length.
bool fits(const ExampleBatch& part, std::int64_t length, const TrainingSize& size) {
  return part.tokens() + length <= size.tokens && part.sequences() < size.sequences;
}

// Without dropout and smoothing; losses are sums.
TrainingPass evaluation_pass(const ExampleBatch& part) {
  TrainingPass pass;
  pass.targets = part.targets();
  pass.divisors.labels = pass.divisors.starts = pass.divisors.ends = 1;
  return pass;
}

// The optimizer's options with the rates of this model's layers.
OptimizerOptions optimizer_options(const TrainableModel& model, const TrainerOptions& o) {
  OptimizerOptions options = o.optimizer;
  options.rates = layer_rates(model, o.layers);
  const auto& rates = options.rates;
  const bool all = !rates.empty() &&
                   std::all_of(rates.begin(), rates.end(), [](double rate) { return rate == 0; });
  require(!all, "every layer is frozen");
  return options;
}

std::int64_t mebibytes(std::int64_t bytes) { return (bytes >> 20) + 1; }

// The memory of activations, gradients and moments is mapped at once and filled step by step: a
// lack of it would end the process without a word.
TrainingSize affordable(const TrainableModel& model, const kernels::KernelTable& kernels,
                        int threads, const TrainerOptions& o, const TrainingSize& size) {
  const std::int64_t needed =
      model.training_bytes(kernels, threads, size) + Optimizer::state_bytes(model, o.optimizer);
  const std::int64_t there = available_memory();
  if (needed <= there) return size;
  throw Error(ErrorCode::kLimit, "training: activations, gradients and the optimizer need " +
                                     std::to_string(mebibytes(needed)) + " MiB, found " +
                                     std::to_string(mebibytes(there)) + " MiB of free memory");
}

const float* first_not_finite(const float* x, std::int64_t n) {
  const float* bad = std::find_if(x, x + n, [](float v) { return !std::isfinite(v); });
  return bad == x + n ? nullptr : bad;
}

const NamedParameter& largest_tensor(const TrainableModel& model) {
  const auto largest = [&](const NamedParameter& p) {
    float most = 0;
    const float* x = model.floats() + p.offset;
    for (std::int64_t i = 0; i < p.elements(); ++i) most = std::max(most, std::fabs(x[i]));
    return most;
  };
  return *std::max_element(
      model.tensors.begin(), model.tensors.end(),
      [&](const NamedParameter& a, const NamedParameter& b) { return largest(a) < largest(b); });
}

// The first tensor with an element in this block that is not finite.
const NamedParameter* first_not_finite(const TrainableModel& model, const float* block) {
  for (const NamedParameter& p : model.tensors) {
    if (first_not_finite(block + p.offset, p.elements()) != nullptr) return &p;
  }
  return nullptr;
}

}  // namespace

Trainer::Trainer(TrainableModel& model, const kernels::KernelTable& kernels, int threads,
                 Examples examples, const TrainerOptions& options)
    : model_(model),
      examples_(std::move(examples)),
      options_(checked(options, examples_)),
      steps_per_epoch_(divided_up(examples_.size(), options.batch_size * options.accumulation)),
      total_steps_(total_of(options, steps_per_epoch_)),
      longest_(std::max(examples_.longest(), options.longest_evaluated)),
      training_(model.training(
          kernels, threads,
          affordable(model, kernels, threads, options, pass_size(options, longest_)))),
      optimizer_(model, optimizer_options(model, options)) {
  schedule_.kind = options.schedule;
  schedule_.total = total_steps_;
  schedule_.warmup = static_cast<std::int64_t>(
      options.warmup < 1 ? std::ceil(options.warmup * static_cast<double>(total_steps_))
                         : options.warmup);
  training_->train_from(options.layers.frozen);
  check_examples(examples_);
}

void Trainer::check_batch(const ExampleBatch& part) const { check(part.batch(), model_.limits()); }

void Trainer::check_examples(const Examples& examples) const {
  constexpr std::int64_t kTogether = 256;
  ExampleBatch some;
  for (std::int64_t i = 0; i < examples.size();) {
    some.clear();
    for (; i < examples.size() && some.sequences() < kTogether; ++i) some.add(examples, i, 0);
    check_batch(some);
    model_.check_targets(some.batch(), some.targets());
  }
}

void Trainer::begin_epoch(std::int64_t epoch) {
  if (order_epoch_ == epoch) return;
  order_epoch_ = epoch;
  order_ = shuffled(examples_.size(), options_.data_seed, epoch);
  if (options_.grouping == Grouping::kLength) {
    group_by_length(order_, examples_, options_.batch_size * options_.accumulation);
  }
}

LabelCounts Trainer::count(std::int64_t begin, std::int64_t end) {
  part_.clear();
  for (std::int64_t i = begin; i < end; ++i) {
    part_.add(examples_, order_[static_cast<std::size_t>(i)], i, order_epoch_);
  }
  LabelCounts counts = model_.check_targets(part_.batch(), part_.targets());
  // Without any label the loss is 0, not 0/0.
  for (double* n : {&counts.labels, &counts.starts, &counts.ends}) *n = std::max(*n, 1.0);
  return counts;
}

double Trainer::run_range(std::int64_t begin, std::int64_t end, const LabelCounts& divisors) {
  const TrainingSize size = pass_size(options_, longest_);
  double loss = 0;
  for (std::int64_t position = begin; position < end;) {
    part_.clear();
    for (; position < end; ++position) {
      const std::int64_t example = order_[static_cast<std::size_t>(position)];
      if (!fits(part_, examples_.length(example), size)) break;
      part_.add(examples_, example, position, order_epoch_);
    }
    TrainingPass pass;
    pass.targets = part_.targets();
    pass.divisors = divisors;
    pass.smoothing = options_.label_smoothing;
    pass.probabilities = options_.dropout;
    pass.dropout = {options_.seed, static_cast<std::uint32_t>(optimizer_.steps()), part_.samples()};
    loss += training_->accumulate(part_.batch(), pass);
  }
  return loss;
}

StepResult Trainer::step() {
  const std::int64_t step = optimizer_.steps(), epoch = step / steps_per_epoch_;
  begin_epoch(epoch);
  const std::int64_t whole = options_.batch_size * options_.accumulation;
  const std::int64_t begin = step % steps_per_epoch_ * whole;
  const std::int64_t end = std::min(begin + whole, examples_.size());
  training_->clear_gradients();
  StepResult result;
  if (options_.normalization == LossNormalization::kTokens) {
    result.loss = run_range(begin, end, count(begin, end));
  } else {
    const auto parts = static_cast<double>(divided_up(end - begin, options_.batch_size));
    for (std::int64_t from = begin; from < end; from += options_.batch_size) {
      const std::int64_t to = std::min(from + options_.batch_size, end);
      result.loss += run_range(from, to, count(from, to) * parts);
    }
  }
  training_->join_gradients();
  for (std::int64_t i = begin; i < end; ++i) {
    result.tokens += examples_.length(order_[static_cast<std::size_t>(i)]);
  }
  if (!std::isfinite(result.loss)) fail_loss();
  result.learning_rate = options_.learning_rate * schedule_.factor(step);
  result.gradient_norm =
      optimizer_.step(training_->context(), training_->gradients(), result.learning_rate);
  result.step = step + 1;
  return result;
}

void Trainer::fail_loss() const {
  std::string what = "step " + std::to_string(steps() + 1) + ": the loss is not finite";
  if (const auto* p = first_not_finite(model_, model_.floats())) {
    what += "; neither is the parameter " + quote(p->name);
  } else if (const auto* g = first_not_finite(model_, training_->gradients())) {
    what += "; neither is the gradient of " + quote(g->name);
  } else {
    what += "; the largest parameter is in " + quote(largest_tensor(model_).name);
  }
  throw Error(ErrorCode::kNumeric, what);
}

// Parameters of 1e10 are finite and of no use: the loss says it.
void Trainer::check_parameters() {
  if (const auto* p = first_not_finite(model_, model_.floats())) {
    throw Error(ErrorCode::kNumeric, "step " + std::to_string(steps()) + ": the parameter " +
                                         quote(p->name) + " is not finite");
  }
  const TrainingSize size = pass_size(options_, longest_);
  part_.clear();
  for (std::int64_t i = 0; i < examples_.size() && fits(part_, examples_.length(i), size); ++i) {
    part_.add(examples_, i, i);
  }
  if (!std::isfinite(training_->loss(part_.batch(), evaluation_pass(part_)))) fail_loss();
}

Evaluation Trainer::evaluate(const Examples& examples) {
  const TrainingSize size = pass_size(options_, longest_);
  Evaluation result;
  LabelCounts counts;
  ExampleBatch part;
  for (std::int64_t i = 0; i < examples.size();) {
    part.clear();
    for (; i < examples.size() && fits(part, examples.length(i), size); ++i) {
      part.add(examples, i, i);
    }
    check_batch(part);
    TrainingPass pass = evaluation_pass(part);
    const auto keep = [&](Mat<const float> logits) {
      result.logits.insert(result.logits.end(), logits.data,
                           logits.data + logits.rows * logits.cols);
    };
    pass.logits = keep;
    counts += model_.check_targets(part.batch(), pass.targets);
    result.loss += training_->loss(part.batch(), pass);
  }
  result.loss /= std::max(counts.labels + counts.starts, 1.0);
  return result;
}

}  // namespace linnet::train
