// The backward kernels: each against central differences of a double oracle, and every level
// against the reference, bit for bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "tests/kernels/levels.h"
#include "tests/support/guarded_buffer.h"

namespace linnet::kernels {
namespace {

using test::GuardedBuffer;
using test::Rng;

const KernelTable& reference() {
  static const KernelTable table = make_table(Isa::kReference);
  return table;
}

/// d/dx[i] of f by central differences of the fourth order: error about h^4 and 1e-16/h.
double slope(const std::function<double(const std::vector<double>&)>& f, std::vector<double> x,
             std::size_t i) {
  constexpr double h = 1e-3;
  const double at = x[i];
  const auto moved = [&](double by) {
    x[i] = at + by;
    return f(x);
  };
  return (8 * (moved(h) - moved(-h)) - (moved(2 * h) - moved(-2 * h))) / (12 * h);
}

std::vector<double> doubles(const float* x, std::int64_t n) { return {x, x + n}; }

class BackwardF32 : public testing::TestWithParam<Isa> {
 protected:
  const KernelTable table = make_table(GetParam());
};

double exact(Activation activation, double x) {
  const auto sigmoid = [](double z) { return 1 / (1 + std::exp(-z)); };
  const double gelu = x / 2 * std::erfc(-x / std::sqrt(2.0));
  switch (activation) {
    case Activation::kNone:
      return x;
    case Activation::kGelu:
    case Activation::kGeluQ:
      return gelu;
    case Activation::kGeluTanh:
      return x * sigmoid(2 * std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x));
    case Activation::kGelu10:
      return std::clamp(gelu, -10.0, 10.0);
    case Activation::kQuickGelu:
      return x * sigmoid(double{1.702f} * x);
    case Activation::kRelu:
      return std::max(x, 0.0);
    case Activation::kSilu:
      return x * sigmoid(x);
    case Activation::kTanh:
      return std::tanh(x);
    case Activation::kSigmoid:
      return sigmoid(x);
  }
  return 0;
}

constexpr Activation kActivations[] = {
    Activation::kNone,   Activation::kGeluQ,     Activation::kGelu, Activation::kGeluTanh,
    Activation::kGelu10, Activation::kQuickGelu, Activation::kRelu, Activation::kSilu,
    Activation::kTanh,   Activation::kSigmoid};

TEST_P(BackwardF32, ActivationsHaveTheirSlopes) {
  std::vector<float> x;
  for (float v = -20; v < 20; v += 0.0371f) x.push_back(v);
  std::vector<float> dy(x.size(), 2.0f), dx(x.size());
  for (const Activation activation : kActivations) {
    table.activate_bwd_f32(dx.data(), dy.data(), x.data(), static_cast<std::int64_t>(x.size()),
                           activation);
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (std::abs(x[i]) < 0.01 || std::abs(std::abs(x[i]) - 10) < 0.01) continue;  // corners
      const auto f = [&](const std::vector<double>& v) { return exact(activation, v[0]); };
      // A few roundings of terms up to 1.13; the differences are good to 1e-11.
      ASSERT_NEAR(dx[i], 2 * slope(f, {double{x[i]}}, 0), 2 * 4e-7)
          << static_cast<int>(activation) << " at " << x[i];
    }
  }
}

TEST_P(BackwardF32, SlopesAreOneOrZeroFarOut) {
  for (const Activation activation : kActivations) {
    for (const float x : {90.0f, 1e10f, 3e38f}) {
      const float at[] = {x, -x}, dy[] = {1, 1};
      float dx[2];
      table.activate_bwd_f32(dx, dy, at, 2, activation);
      const bool flat = activation == Activation::kTanh || activation == Activation::kSigmoid ||
                        activation == Activation::kGelu10;
      EXPECT_NEAR(dx[0], flat ? 0 : 1, 1e-30) << static_cast<int>(activation) << " at " << x;
      EXPECT_NEAR(dx[1], activation == Activation::kNone ? 1 : 0, 1e-30)
          << static_cast<int>(activation) << " at " << -x;
    }
  }
}

TEST_P(BackwardF32, ActivationsSameBitsAndInPlace) {
  Rng rng(1);
  for (const std::int64_t n : test::awkward_sizes()) {
    const auto size = static_cast<std::size_t>(n);
    GuardedBuffer<float> x(size), dy(size), got(size), want(size);
    test::fill_mixed(x.span(), rng);
    test::fill_mixed(dy.span(), rng);
    for (const Activation activation : kActivations) {
      reference().activate_bwd_f32(want.data(), dy.data(), x.data(), n, activation);
      std::copy_n(dy.data(), n, got.data());
      table.activate_bwd_f32(got.data(), got.data(), x.data(), n, activation);
      ASSERT_TRUE(test::same_bits(got.span(), want.span())) << n;
    }
  }
}

/// Rows around 1000 with their mean and rstd.
struct NormCase {
  std::int64_t M = 3, D;
  GuardedBuffer<float> x, dy, gamma, y, mean, rstd;
  NormCase(std::int64_t width, float low, float high)
      : D(width),
        x(size(M * D)),
        dy(size(M * D)),
        gamma(size(D)),
        y(size(M * D)),
        mean(size(M)),
        rstd(size(M)) {
    Rng rng(2);
    test::fill_uniform(x.span(), low, high, rng);
    test::fill_uniform(dy.span(), -2, 2, rng);
    test::fill_uniform(gamma.span(), -2, 2, rng);
    const std::vector<float> beta(size(D));
    reference().layer_norm_f32(y.data(), mean.data(), rstd.data(), x.data(), gamma.data(),
                               beta.data(), M, D, 1e-5f);
  }
  static std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }
  LayerNormBwdF32Args args(float* dx) {
    return {dx, dy.data(), x.data(), gamma.data(), mean.data(), rstd.data(), M, D};
  }
  /// Σ dy·LN(x) of one row, in double.
  double loss(std::int64_t m, const std::vector<double>& row, const std::vector<double>& g) const {
    double mu = 0, var = 0, sum = 0;
    for (const double v : row) mu += v / static_cast<double>(D);
    for (const double v : row) var += (v - mu) * (v - mu) / static_cast<double>(D);
    for (std::size_t d = 0; d < row.size(); ++d) {
      sum += (row[d] - mu) / std::sqrt(var + double{1e-5f}) * g[d] * dy.data()[size(m * D) + d];
    }
    return sum;
  }
};

TEST_P(BackwardF32, LayerNormMatchesDifferences) {
  for (const std::int64_t D : {2, 7, 16, 33, 100}) {
    NormCase c(D, 8, 12);
    GuardedBuffer<float> dx(NormCase::size(c.M * D)), dgamma(NormCase::size(D)),
        dbeta(NormCase::size(D));
    table.layer_norm_bwd_f32(c.args(dx.data()));
    table.sum_columns_f32({.sum = dbeta.data(),
                           .weighted = dgamma.data(),
                           .a = c.dy.data(),
                           .x = c.x.data(),
                           .lda = D,
                           .mean = c.mean.data(),
                           .rstd = c.rstd.data(),
                           .T = c.M,
                           .n_begin = 0,
                           .n_end = D});
    const std::vector<double> g = doubles(c.gamma.data(), D);
    for (std::int64_t m = 0; m < c.M; ++m) {
      const auto f = [&](const std::vector<double>& row) { return c.loss(m, row, g); };
      // The mean near 10 is rounded to 1e-6 of itself; rstd scales it, sums over D grow with √D.
      const double r = c.rstd.data()[m], bound = 2e-5 * (1 + r * r);
      for (std::int64_t d = 0; d < D; ++d) {
        const double want = slope(f, doubles(c.x.data() + m * D, D), static_cast<std::size_t>(d));
        ASSERT_NEAR(dx.data()[m * D + d], want, bound) << "D=" << D;
      }
    }
    for (std::int64_t d = 0; d < D; ++d) {
      double gamma_sum = 0, beta_sum = 0;
      for (std::int64_t m = 0; m < c.M; ++m) {
        const auto f = [&](const std::vector<double>& v) {
          return c.loss(m, doubles(c.x.data() + m * D, D), v);
        };
        gamma_sum += slope(f, g, static_cast<std::size_t>(d));
        beta_sum += c.dy.data()[m * D + d];
      }
      ASSERT_NEAR(dgamma.data()[d], gamma_sum, 1e-4);
      ASSERT_NEAR(dbeta.data()[d], beta_sum, 1e-6);
    }
  }
}

TEST_P(BackwardF32, LayerNormSameBitsAndInPlace) {
  for (const std::int64_t D : test::awkward_sizes()) {
    NormCase c(D, -2, 2);
    Rng rng(3);
    test::fill_mixed(c.x.span(), rng);
    test::fill_mixed(c.dy.span(), rng);
    test::fill_mixed(c.gamma.span(), rng);
    GuardedBuffer<float> got(c.x.size()), want(c.x.size());
    reference().layer_norm_bwd_f32(c.args(want.data()));
    std::copy_n(c.dy.data(), c.x.size(), got.data());
    LayerNormBwdF32Args args = c.args(got.data());
    args.dy = got.data();
    table.layer_norm_bwd_f32(args);
    ASSERT_TRUE(test::same_bits(got.span(), want.span())) << "D=" << D;
  }
}

TEST_P(BackwardF32, SoftmaxMatchesDifferences) {
  Rng rng(4);
  constexpr float kScale = 0.3f;
  for (const std::int64_t N : {1, 2, 5, 16, 17, 40}) {
    const auto n = static_cast<std::size_t>(N);
    std::vector<float> s(n), scaled(n), y(n), dy(n), dx(n);
    test::fill_uniform(s, -5, 5, rng);
    test::fill_uniform(dy, -2, 2, rng);
    for (std::size_t j = 0; j < n; ++j) scaled[j] = s[j] * kScale;
    reference().softmax_f32(y.data(), N, scaled.data(), N, 1, N);
    table.softmax_bwd_f32({dx.data(), dy.data(), y.data(), N, kScale, 1, N});
    const auto f = [&](const std::vector<double>& v) {
      double sum = 0, weighted = 0;
      for (std::size_t j = 0; j < n; ++j) {
        sum += std::exp(v[j] * double{kScale});
        weighted += std::exp(v[j] * double{kScale}) * dy[j];
      }
      return weighted / sum;
    };
    for (std::size_t j = 0; j < n; ++j) ASSERT_NEAR(dx[j], slope(f, doubles(s.data(), N), j), 3e-7);
  }
}

TEST_P(BackwardF32, SoftmaxSameBitsAndInPlace) {
  Rng rng(5);
  for (const std::int64_t N : test::awkward_sizes()) {
    const std::int64_t ld = N + 3;
    const auto size = static_cast<std::size_t>(2 * ld + N);
    GuardedBuffer<float> y(size), dy(size), got(size), want(size);
    test::fill_mixed(y.span(), rng);
    test::fill_mixed(dy.span(), rng);
    std::copy_n(dy.data(), size, want.data());
    std::copy_n(dy.data(), size, got.data());
    reference().softmax_bwd_f32({want.data(), want.data(), y.data(), ld, 0.7f, 3, N});
    table.softmax_bwd_f32({got.data(), got.data(), y.data(), ld, 0.7f, 3, N});
    ASSERT_TRUE(test::same_bits(got.span(), want.span())) << "N=" << N;
  }
}

// The tokens in two calls are the bytes of one, and so are the columns.
TEST_P(BackwardF32, ColumnSumsAreChainsThatContinue) {
  Rng rng(6);
  constexpr std::int64_t kT = 11;
  for (const std::int64_t N : test::awkward_sizes()) {
    const std::int64_t ld = N + 2;
    const auto size = static_cast<std::size_t>((kT - 1) * ld + N), n = static_cast<std::size_t>(N);
    GuardedBuffer<float> a(size), x(size), mean(kT), rstd(kT);
    GuardedBuffer<float> sum(n), weighted(n), want_sum(n), want_weighted(n);
    for (auto* buffer : {&a, &x, &mean, &rstd}) test::fill_mixed(buffer->span(), rng);
    for (std::int64_t t = 0; t < kT; ++t) {
      for (std::int64_t j = 0; j < N; ++j) {
        const float v = a.data()[t * ld + j];
        const float normal = (x.data()[t * ld + j] - mean.data()[t]) * rstd.data()[t];
        want_sum.data()[j] += v;
        want_weighted.data()[j] = std::fma(v, normal, want_weighted.data()[j]);
      }
    }
    for (const std::int64_t from : {0, 4}) {
      const std::int64_t rows = from == 0 ? 4 : kT - 4, middle = N / 3;
      SumColumnsF32Args args{sum.data(),
                             weighted.data(),
                             a.data() + from * ld,
                             x.data() + from * ld,
                             ld,
                             mean.data() + from,
                             rstd.data() + from,
                             rows,
                             0,
                             middle};
      table.sum_columns_f32(args);
      args.n_begin = middle, args.n_end = N;
      table.sum_columns_f32(args);
    }
    ASSERT_TRUE(test::same_bits(sum.span(), want_sum.span())) << "N=" << N;
    ASSERT_TRUE(test::same_bits(weighted.span(), want_weighted.span())) << "N=" << N;
  }
}

INSTANTIATE_TEST_SUITE_P(EveryLevel, BackwardF32, testing::ValuesIn(test::levels()),
                         test::level_name);

}  // namespace
}  // namespace linnet::kernels
