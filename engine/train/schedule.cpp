#include "engine/train/schedule.h"

#include <algorithm>

#include "engine/core/math.h"

namespace linnet::train {
namespace {

double ratio(std::int64_t part, std::int64_t whole) {
  return static_cast<double>(part) / static_cast<double>(std::max<std::int64_t>(whole, 1));
}

}  // namespace

std::optional<ScheduleKind> schedule_of(std::string_view name) {
  if (name == "constant") return ScheduleKind::kConstant;
  if (name == "constant_with_warmup") return ScheduleKind::kConstantWithWarmup;
  if (name == "linear") return ScheduleKind::kLinear;
  if (name == "cosine") return ScheduleKind::kCosine;
  if (name == "polynomial") return ScheduleKind::kPolynomial;
  return std::nullopt;
}

double Schedule::factor(std::int64_t step) const {
  if (kind == ScheduleKind::kConstant) return 1;
  if (step < warmup) return ratio(step, warmup);
  constexpr double kPi = 3.141592653589793;
  switch (kind) {
    case ScheduleKind::kLinear:
      return std::max(0.0, ratio(total - step, total - warmup));
    case ScheduleKind::kCosine:
      return std::max(0.0, 0.5 * (1 + math::cos(kPi * ratio(step - warmup, total - warmup))));
    case ScheduleKind::kPolynomial:
      if (step > total) return end;
      return (1 - end) * math::power(1 - ratio(step - warmup, total - warmup), power) + end;
    case ScheduleKind::kConstant:
    case ScheduleKind::kConstantWithWarmup:
      break;
  }
  return 1;
}

}  // namespace linnet::train
