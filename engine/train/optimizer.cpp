#include "engine/train/optimizer.h"

#include <algorithm>
#include <cmath>

#include "engine/core/float_environment.h"
#include "engine/core/math.h"
#include "weights/base/error.h"
#include "weights/base/text.h"

namespace linnet::train {
namespace {

constexpr std::int64_t kGrain = 1 << 15;  // elements of one thread

float* floats(const Block& block) { return reinterpret_cast<float*>(block.data()); }

std::int64_t rows_of(const NamedParameter& p) { return p.shape.size() > 1 ? p.shape[0] : 1; }

}  // namespace

std::vector<double> layer_rates(const TrainableModel& model, const LayerOptions& options) {
  if (options.frozen == 0 && options.rate_decay == 1) return {};
  const std::int64_t head = model.layers() + 1;
  std::vector<double> rates;
  for (const NamedParameter& p : model.tensors) {
    rates.push_back(p.layer < options.frozen ? 0 : math::power(options.rate_decay, head - p.layer));
  }
  return rates;
}

std::int64_t Optimizer::state_bytes(const TrainableModel& model, const OptimizerOptions& options) {
  const bool adamw = options.kind == OptimizerKind::kAdamW;
  return model.bytes() * (adamw ? 2 : options.momentum != 0 ? 1 : 0);
}

Optimizer::Optimizer(const TrainableModel& model, const OptimizerOptions& options)
    : model_(model), options_(options) {
  const std::int64_t bytes = model.bytes();
  const bool adamw = options.kind == OptimizerKind::kAdamW;
  if (adamw || options.momentum != 0) first_ = Block(bytes);
  if (adamw) second_ = Block(bytes);
  std::int64_t rows = 1;
  for (const NamedParameter& p : model.tensors) rows = std::max(rows, rows_of(p));
  row_sums_ = Block(rows * static_cast<std::int64_t>(sizeof(double)));
}

double Optimizer::gradient_norm(const Context& ctx, const float* gradients) {
  auto* sums = reinterpret_cast<double*>(row_sums_.data());
  double total = 0;
  for (std::size_t tensor = 0; tensor < model_.tensors.size(); ++tensor) {
    if (rate(tensor) == 0) continue;
    const NamedParameter& p = model_.tensors[tensor];
    const std::int64_t rows = rows_of(p), width = p.elements() / std::max<std::int64_t>(rows, 1);
    const float* g = gradients + p.offset;
    parallel_for(ctx.threads, rows, kGrain / (width + 1) + 1,
                 [&](std::int64_t begin, std::int64_t end, int) {
                   ctx.kernels.sums_of_squares_f32(sums + begin, g + begin * width, end - begin,
                                                   width);
                 });
    double sum = 0;
    for (std::int64_t r = 0; r < rows; ++r) sum += sums[r];
    if (!std::isfinite(sum)) {
      throw Error(ErrorCode::kNumeric, "step " + std::to_string(steps_ + 1) + ": the gradient of " +
                                           quote(p.name) + " is not finite");
    }
    total += sum;
  }
  return std::sqrt(total);
}

double Optimizer::step(const Context& ctx, const float* gradients, double learning_rate) {
  const FloatEnvironment environment;
  const double norm = gradient_norm(ctx, gradients);
  const double limit = options_.max_grad_norm;
  const auto scale = static_cast<float>(limit > 0 ? std::min(1.0, limit / (norm + 1e-6)) : 1);
  ++steps_;
  float* parameters = model_.floats();
  for (std::size_t tensor = 0; tensor < model_.tensors.size(); ++tensor) {
    if (rate(tensor) == 0) continue;
    const NamedParameter& p = model_.tensors[tensor];
    const double tensor_rate = learning_rate * rate(tensor);
    const bool decays = p.decay || options_.decay_groups == DecayGroups::kEverything;
    const double decay = decays ? options_.weight_decay : 0;
    const auto slice = [&](auto args, const auto& run) {
      parallel_for(ctx.threads, p.elements(), kGrain,
                   [&](std::int64_t begin, std::int64_t end, int) {
                     auto mine = args;
                     mine.n = end - begin;
                     mine.p = parameters + p.offset + begin;
                     mine.g = gradients + p.offset + begin;
                     run(mine, p.offset + begin);
                   });
    };
    if (options_.kind == OptimizerKind::kAdamW) {
      kernels::AdamwF32Args a;
      a.gradient_scale = scale;
      a.keep = static_cast<float>(1 - tensor_rate * decay);
      a.one_minus_beta1 = static_cast<float>(1 - options_.beta1);
      a.beta2 = static_cast<float>(options_.beta2);
      a.one_minus_beta2 = static_cast<float>(1 - options_.beta2);
      a.root_correction2 = static_cast<float>(std::sqrt(1 - math::power(options_.beta2, steps_)));
      a.eps = static_cast<float>(options_.epsilon);
      a.step = static_cast<float>(-tensor_rate / (1 - math::power(options_.beta1, steps_)));
      slice(a, [&](kernels::AdamwF32Args& mine, std::int64_t at) {
        mine.m = floats(first_) + at;
        mine.v = floats(second_) + at;
        ctx.kernels.adamw_f32(mine);
      });
    } else {
      kernels::SgdF32Args a;
      a.gradient_scale = scale;
      a.weight_decay = static_cast<float>(decay);
      a.momentum = static_cast<float>(options_.momentum);
      a.step = static_cast<float>(-tensor_rate);
      a.nesterov = options_.nesterov;
      slice(a, [&](kernels::SgdF32Args& mine, std::int64_t at) {
        mine.buffer = options_.momentum != 0 ? floats(first_) + at : nullptr;
        ctx.kernels.sgd_f32(mine);
      });
    }
  }
  return norm;
}

std::vector<Optimizer::State> Optimizer::state() const {
  if (options_.kind == OptimizerKind::kAdamW) {
    return {{"exp_avg", floats(first_)}, {"exp_avg_sq", floats(second_)}};
  }
  if (options_.momentum != 0) return {{"momentum_buffer", floats(first_)}};
  return {};
}

}  // namespace linnet::train
