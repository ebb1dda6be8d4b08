#include "engine/models/quantize_groups.h"

#include <algorithm>
#include <cmath>

#include "kernels/ops.h"

namespace linnet {
namespace {

constexpr std::int64_t kGroup = kernels::kGroupS4;

double greatest_magnitude(const double* w, std::int64_t n) {
  double greatest = 0;
  for (std::int64_t k = 0; k < n; ++k) greatest = std::max(greatest, std::abs(w[k]));
  return greatest;
}

// Half to even.
std::int64_t rounded(double w, double inverse) {
  return std::clamp<std::int64_t>(std::lrint(w * inverse), -8, 7);
}

double squared_error(const double* w, double step) {
  const double inverse = 1 / step;
  double sum = 0;
  for (std::int64_t k = 0; k < kGroup; ++k) {
    const double error = w[k] - step * static_cast<double>(rounded(w[k], inverse));
    sum += error * error;
  }
  return sum;
}

// The t of a group: its greatest number at -8, or at up to 8/5 of that, with either sign.
std::int8_t best_t(const double* w, double scale) {
  const double widest = greatest_magnitude(w, kGroup) / (8 * scale);
  std::int64_t best = 0;
  double least = greatest_magnitude(w, kGroup) == 0 ? 0 : HUGE_VAL;
  for (std::int64_t part = 16; part >= 10 && least > 0; --part) {
    const auto magnitude = std::lrint(widest * static_cast<double>(part) / 16);
    for (const std::int64_t t : {-magnitude, magnitude}) {
      if (t == 0 || t > 127) continue;
      const double error = squared_error(w, scale * static_cast<double>(t));
      if (error < least) {
        least = error;
        best = t;
      }
    }
  }
  return static_cast<std::int8_t>(best);
}

}  // namespace

float quantize_channel_s4(std::int8_t* q, std::int8_t* t, const double* w, std::int64_t K64) {
  const auto scale = static_cast<float>(greatest_magnitude(w, K64) / (8 * 127));
  for (std::int64_t k = 0; k < K64; k += kGroup, w += kGroup, q += kGroup, ++t) {
    *t = scale > 0 ? best_t(w, double{scale}) : std::int8_t{0};
    const double step = double{scale} * *t;
    for (std::int64_t i = 0; i < kGroup; ++i) {
      q[i] = step == 0 ? std::int8_t{0} : static_cast<std::int8_t>(rounded(w[i], 1 / step));
    }
  }
  return scale;
}

}  // namespace linnet
