#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace linnet::train {

/// How the learning rate goes over the steps; names and formulas of transformers' optimization.py.
enum class ScheduleKind {
  kConstant,            ///< 1
  kConstantWithWarmup,  ///< 1 after the warm-up
  kLinear,              ///< down to 0
  kCosine,              ///< (1 + cos π·progress)/2
  kPolynomial,          ///< (1 - end)·(1 - progress)^power + end
};

/// "constant", "constant_with_warmup", "linear", "cosine", "polynomial"; nothing for other names.
std::optional<ScheduleKind> schedule_of(std::string_view name);

struct Schedule {
  ScheduleKind kind = ScheduleKind::kLinear;
  std::int64_t warmup = 0, total = 0;
  std::int64_t power = 1;  // of kPolynomial
  double end = 0;          // of kPolynomial: its last rate over the first

  /// The factor on the base rate of optimizer step 0, 1, …. The first `warmup` steps rise from 0.
  double factor(std::int64_t step) const;
};

}  // namespace linnet::train
