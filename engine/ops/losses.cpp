// Dimension key: R rows, C classes.
#include "engine/ops/losses.h"

#include <algorithm>
#include <cmath>

#include "engine/core/math.h"

namespace linnet {
namespace {

// A row of scores with a stride: a column of span logits, or a row of classes.
struct Scores {
  const float* data;
  std::int64_t n, stride;
  double at(std::int64_t i) const { return static_cast<double>(data[i * stride]); }
  double max() const {
    float max = data[0];
    for (std::int64_t i = 1; i < n; ++i) max = std::max(max, data[i * stride]);
    return static_cast<double>(max);
  }
};

struct LogSum {
  double max, log_sum;  // log Σ e^x = max + log_sum
  double log_p(double x) const { return (x - max) - log_sum; }
};

// Calls use(i, e^x(i)) for i = 0 .. n-1, in order; x(i) may read what use() writes at i.
template <class X, class Use>
void for_each_exp(const Context& ctx, std::int64_t n, const X& x, const Use& use) {
  constexpr std::int64_t kTogether = 256;
  double some[kTogether];
  for (std::int64_t begin = 0; begin < n; begin += kTogether) {
    const std::int64_t count = std::min(kTogether, n - begin);
    for (std::int64_t i = 0; i < count; ++i) some[i] = x(begin + i);
    ctx.kernels.exp_f64(some, count);
    for (std::int64_t i = 0; i < count; ++i) use(begin + i, some[i]);
  }
}

// Of x(0) .. x(n-1), the greatest of which is known.
template <class X>
LogSum log_sum_of(const Context& ctx, std::int64_t n, double max, const X& x) {
  double sum = 0;
  for_each_exp(
      ctx, n, [&](std::int64_t i) { return x(i) - max; },
      [&sum](std::int64_t, double e) { sum += e; });
  return {max, math::log(sum)};
}

// The loss of one row, and its gradient times `scale` into d (same stride; may be the scores).
double row_cross_entropy(const Context& ctx, float* d, const Scores& s, std::int64_t label,
                         double smoothing, double scale) {
  const LogSum norm = log_sum_of(ctx, s.n, s.max(), [&](std::int64_t i) { return s.at(i); });
  const auto classes = static_cast<double>(s.n);
  const double nll = -norm.log_p(s.at(label));
  double mean = 0;
  for (std::int64_t i = 0; smoothing != 0 && i < s.n; ++i) mean -= norm.log_p(s.at(i));
  const double share = smoothing / classes;
  for_each_exp(
      ctx, s.n, [&](std::int64_t i) { return norm.log_p(s.at(i)); },
      [&](std::int64_t i, double p) {
        const double target = share + (i == label ? 1 - smoothing : 0);
        d[i * s.stride] = static_cast<float>((p - target) * scale);
      });
  return (1 - smoothing) * nll + smoothing * (mean / classes);
}

// Σ p·(log p - log q) of one row, p of the teacher's scores and q of the student's; its gradient
// into d, which may be the student's scores.
double row_distillation(const Context& ctx, float* d, const Scores& student, const Scores& teacher,
                        const Distillation& how) {
  const auto s = [&](std::int64_t i) { return student.at(i) / how.temperature; };
  const auto t = [&](std::int64_t i) { return teacher.at(i) / how.temperature; };
  const LogSum of_s = log_sum_of(ctx, student.n, student.max() / how.temperature, s),
               of_t = log_sum_of(ctx, student.n, teacher.max() / how.temperature, t);
  double sum = 0, q = 0;
  for_each_exp(
      ctx, 2 * student.n,  // q and p in turn
      [&](std::int64_t i) { return i % 2 == 0 ? of_s.log_p(s(i / 2)) : of_t.log_p(t(i / 2)); },
      [&](std::int64_t i, double e) {
        if (i % 2 == 0) {
          q = e;
          return;
        }
        const double p = e;
        if (p > 0) sum += p * (of_t.log_p(t(i / 2)) - of_s.log_p(s(i / 2)));
        d[i / 2] = static_cast<float>((q - p) * how.temperature / how.divisor);
      });
  return sum;
}

// Σ of row(r), which threads compute for themselves, in order.
template <class Row>
double sum_of_rows(const Context& ctx, const Mat<const float>& logits, Mat<double> row_losses,
                   const Row& row) {
  parallel_for(ctx.threads, logits.rows, 4096 / (logits.cols + 1) + 1,
               [&](std::int64_t begin, std::int64_t end, int) {
                 for (std::int64_t r = begin; r < end; ++r) row_losses.data[r] = row(r);
               });
  double sum = 0;
  for (std::int64_t r = 0; r < logits.rows; ++r) sum += row_losses.data[r];
  return sum;
}

void clear(float* d, std::int64_t n, std::int64_t stride) {
  for (std::int64_t i = 0; i < n; ++i) d[i * stride] = 0;
}

// log(1 + e^x) without overflow.
double softplus(double x) { return std::max(x, 0.0) + math::log(1 + math::exp(-std::abs(x))); }

}  // namespace

double cross_entropy(const Context& ctx, Mat<float> dlogits, Mat<const float> logits,
                     std::span<const std::int64_t> labels, const CrossEntropy& how,
                     Mat<double> row_losses) {
  const auto row = [&](std::int64_t r) {
    const std::int64_t label = labels[static_cast<std::size_t>(r)];
    if (label == kIgnoreLabel) {
      clear(dlogits.row(r), logits.cols, 1);
      return 0.0;
    }
    return row_cross_entropy(ctx, dlogits.row(r), {logits.row(r), logits.cols, 1}, label,
                             how.smoothing, 1 / how.divisor);
  };
  return sum_of_rows(ctx, logits, row_losses, row) / how.divisor;
}

std::optional<std::int64_t> span_position(std::int64_t label, std::int64_t length) {
  if (label >= length) return std::nullopt;
  return std::max<std::int64_t>(label, 0);
}

double span_cross_entropy(const Context& ctx, Mat<float> dlogits, Mat<const float> logits,
                          const Batch& batch, const SpanLabels& labels, double smoothing,
                          const SpanDivisors& divisors) {
  double loss = 0;
  for (std::int64_t side = 0; side < 2; ++side) {
    const auto& positions = side == 0 ? labels.starts : labels.ends;
    const double divisor = 2 * (side == 0 ? divisors.starts : divisors.ends);
    double sum = 0;
    for (std::int64_t b = 0; b < batch.B(); ++b) {
      const std::int64_t begin = batch.starts[static_cast<std::size_t>(b)], L = batch.length(b);
      const auto position = span_position(positions[static_cast<std::size_t>(b)], L);
      float* d = dlogits.row(begin) + side;
      if (!position) {
        for (std::int64_t i = 0; i < L; ++i) d[i * dlogits.ld] = 0;
        continue;
      }
      LINNET_ASSERT(dlogits.ld == logits.ld);
      sum += row_cross_entropy(ctx, d, {logits.row(begin) + side, L, logits.ld}, *position,
                               smoothing, 1 / divisor);
    }
    loss += sum / divisor;
  }
  return loss;
}

double mean_squared_error(Mat<float> dlogits, Mat<const float> logits,
                          std::span<const float> targets, double divisor) {
  double sum = 0;
  for (std::int64_t r = 0; r < logits.rows; ++r) {
    for (std::int64_t c = 0; c < logits.cols; ++c) {
      const double target = targets[static_cast<std::size_t>(r * logits.cols + c)];
      const double difference = static_cast<double>(logits.row(r)[c]) - target;
      sum += difference * difference;
      dlogits.row(r)[c] = static_cast<float>(2 * difference / divisor);
    }
  }
  return sum / divisor;
}

double binary_cross_entropy(Mat<float> dlogits, Mat<const float> logits,
                            std::span<const float> targets, double divisor) {
  double sum = 0;
  for (std::int64_t r = 0; r < logits.rows; ++r) {
    for (std::int64_t c = 0; c < logits.cols; ++c) {
      const double x = logits.row(r)[c];
      const double y = targets[static_cast<std::size_t>(r * logits.cols + c)];
      sum += softplus(x) - x * y;
      dlogits.row(r)[c] = static_cast<float>((math::sigmoid(x) - y) / divisor);
    }
  }
  return sum / divisor;
}

double distillation(const Context& ctx, Mat<float> dlogits, Mat<const float> logits,
                    Mat<const float> teacher, const Distillation& how, Mat<double> row_losses) {
  const auto row = [&](std::int64_t r) {
    return row_distillation(ctx, dlogits.row(r), {logits.row(r), logits.cols, 1},
                            {teacher.row(r), logits.cols, 1}, how);
  };
  const double sum = sum_of_rows(ctx, logits, row_losses, row);
  return sum * how.temperature * how.temperature / how.divisor;
}

double cosine_distance(Mat<float> dx, Mat<const float> x, Mat<const float> y, double divisor) {
  double loss = 0;
  for (std::int64_t r = 0; r < x.rows; ++r) {
    double xx = 0, yy = 0, xy = 0;
    for (std::int64_t d = 0; d < x.cols; ++d) {
      const double a = x.row(r)[d], b = y.row(r)[d];
      xx += a * a, yy += b * b, xy += a * b;
    }
    const double lengths = std::sqrt(xx) * std::sqrt(yy);
    const double cosine = lengths > 0 ? xy / lengths : 0;
    loss += 1 - cosine;
    for (std::int64_t d = 0; d < x.cols; ++d) {
      const double a = x.row(r)[d], b = y.row(r)[d];
      const double slope = lengths > 0 ? b / lengths - cosine * a / xx : 0;
      dx.row(r)[d] = static_cast<float>(-slope / divisor);
    }
  }
  return loss / divisor;
}

}  // namespace linnet
