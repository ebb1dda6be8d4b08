#include "engine/ops/pooling.h"

#include <algorithm>
#include <cmath>

namespace linnet {
namespace {

// y = Σ weight(t)·h[t]. Products with a weight are rounded before the sum, as the original's are.
template <class Weight>
void sum_rows(float* y, Mat<const float> h, const Weight& weight) {
  std::fill_n(y, h.cols, 0.0f);
  for (std::int64_t t = 0; t < h.rows; ++t) {
    const float w = weight(t);
    const float* row = h.row(t);
    for (std::int64_t d = 0; d < h.cols; ++d) y[d] += row[d] * w;
  }
}

void divide(float* y, std::int64_t D, float by) {
  for (std::int64_t d = 0; d < D; ++d) y[d] /= by;
}

void max_rows(float* y, Mat<const float> h) {
  std::copy_n(h.row(0), h.cols, y);
  for (std::int64_t t = 1; t < h.rows; ++t) {
    const float* row = h.row(t);
    // Written so that a NaN in the row stays.
    for (std::int64_t d = 0; d < h.cols; ++d) y[d] = y[d] > row[d] ? y[d] : row[d];
  }
}

void pool_rows(float* y, Mat<const float> h, Pooling mode, std::int64_t first_token) {
  const std::int64_t n = h.rows, D = h.cols;
  if (n == 0) {
    std::fill_n(y, D, 0.0f);
    return;
  }
  switch (mode) {
    case Pooling::kCls:
      std::copy_n(h.row(0), D, y);
      break;
    case Pooling::kLastToken:
      std::copy_n(h.row(n - 1), D, y);
      break;
    case Pooling::kMax:
      max_rows(y, h);
      break;
    case Pooling::kMean:
      sum_rows(y, h, [](std::int64_t) { return 1.0f; });
      divide(y, D, static_cast<float>(n));
      break;
    case Pooling::kMeanSqrtLen:
      sum_rows(y, h, [](std::int64_t) { return 1.0f; });
      divide(y, D, std::sqrt(static_cast<float>(n)));
      break;
    case Pooling::kWeightedMean: {
      // Weights count from the sequence's own first token, skipped ones included.
      const std::int64_t last = first_token + n;
      sum_rows(y, h, [&](std::int64_t t) { return static_cast<float>(first_token + t + 1); });
      divide(y, D, static_cast<float>((last * (last + 1) - first_token * (first_token + 1)) / 2));
      break;
    }
  }
}

}  // namespace

void pool(const Context& ctx, Mat<float> y, Mat<const float> h, Pooling mode, const Batch& batch,
          std::span<const std::int64_t> skip) {
  const bool whole = mode == Pooling::kCls || mode == Pooling::kLastToken;
  const std::int64_t mean_length = batch.T() / std::max<std::int64_t>(batch.B(), 1);
  const std::int64_t grain = 16384 / (mean_length * h.cols + 1) + 1;
  parallel_for(ctx.threads, batch.B(), grain, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t b = begin; b < end; ++b) {
      const auto i = static_cast<std::size_t>(b);
      const std::int64_t skipped = skip.empty() || whole ? 0 : std::min(skip[i], batch.length(b));
      pool_rows(y.row(b), h.slice_rows(batch.starts[i] + skipped, batch.starts[i + 1]), mode,
                skipped);
    }
  });
}

}  // namespace linnet
