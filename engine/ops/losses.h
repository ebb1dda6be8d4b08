#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "engine/core/batch.h"
#include "engine/core/context.h"
#include "engine/core/mat.h"

// Losses with their gradients, in double. Each returns its part of the loss and writes the gradient
// of the logits; both are divided by `divisor`, the number of labels that count in the whole
// optimizer step, so that parts of a batch add up to the batch.
//
//   R rows   C classes
namespace linnet {

/// A label that takes no part.
inline constexpr std::int64_t kIgnoreLabel = -100;

/// Σ over rows of (1 - ε)·(-log p[label]) + ε·mean over classes of -log p, p = softmax(logits);
/// rows with kIgnoreLabel give 0. dlogits [R, C] may be logits; row_losses [1, R] is scratch.
struct CrossEntropy {
  double smoothing = 0, divisor = 1;
};
double cross_entropy(const Context& ctx, Mat<float> dlogits, Mat<const float> logits,
                     std::span<const std::int64_t> labels, const CrossEntropy& how,
                     Mat<double> row_losses);

/// Cross-entropy of the start (column 0) and end (column 1) of a span over the real tokens of each
/// sequence: logits [T, 2], half of each. Positions below 0 count as 0, those at or past the
/// sequence's end are ignored.
struct SpanLabels {
  std::span<const std::int64_t> starts, ends;
};
struct SpanDivisors {
  double starts = 1, ends = 1;  // labels that count
};
double span_cross_entropy(const Context& ctx, Mat<float> dlogits, Mat<const float> logits,
                          const Batch& batch, const SpanLabels& labels, double smoothing,
                          const SpanDivisors& divisors);
/// The position that counts for a sequence of this length, or nothing.
std::optional<std::int64_t> span_position(std::int64_t label, std::int64_t length);

/// Σ (logit - target)². dlogits may be logits.
double mean_squared_error(Mat<float> dlogits, Mat<const float> logits,
                          std::span<const float> targets, double divisor);

/// Σ -(y·log σ(x) + (1 - y)·log(1 - σ(x))), y in 0 .. 1. dlogits may be logits.
double binary_cross_entropy(Mat<float> dlogits, Mat<const float> logits,
                            std::span<const float> targets, double divisor);

/// Distillation: T²·Σ over rows of KL(softmax(teacher/T) ‖ softmax(logits/T)), T > 0. dlogits may
/// be logits; row_losses [1, R] is scratch.
/// Source: Distilling the Knowledge in a Neural Network, arXiv:1503.02531.
struct Distillation {
  double temperature = 1, divisor = 1;
};
double distillation(const Context& ctx, Mat<float> dlogits, Mat<const float> logits,
                    Mat<const float> teacher, const Distillation& how, Mat<double> row_losses);

/// Σ over rows of 1 - cos(x, y). Rows with a vector of length 0 count as cos = 0 and have no
/// gradient.
double cosine_distance(Mat<float> dx, Mat<const float> x, Mat<const float> y, double divisor);

}  // namespace linnet
