#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "kernels/coefficients.h"
#include "tests/kernels/levels.h"
#include "tests/support/guarded_buffer.h"

namespace linnet::kernels {
namespace {

using test::GuardedBuffer;

/// A function in double and how far the float one may be from it: `absolute`, or `relative` times
/// the greater of 1 and |x| where the result grows with x.
struct Function {
  Activation activation;
  const char* name;
  double (*exact)(double);
  double bound;
  bool grows;
};

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double gelu(double x) { return x / 2 * std::erfc(-x / std::sqrt(2.0)); }
double gelu_tanh(double x) {
  return x * sigmoid(2 * std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x));
}

// The bounds are the greatest errors over every 23rd float of 2^-25 .. 2^7, rounded up: the
// polynomials alone are within 9e-8, that of gelu_q within 1.8e-6 (tools/derive_coefficients.py),
// the rest is a handful of roundings.
const Function kFunctions[] = {
    {Activation::kNone, "none", [](double x) { return x; }, 0, false},
    {Activation::kGelu, "gelu", gelu, 2.1e-7, true},
    {Activation::kGeluQ, "gelu_q", gelu, 1.9e-6, true},
    {Activation::kGeluTanh, "gelu_tanh", gelu_tanh, 1.2e-7, true},
    {Activation::kGelu10, "gelu_10", [](double x) { return std::clamp(gelu(x), -10.0, 10.0); },
     2.1e-7, true},
    {Activation::kQuickGelu, "quick_gelu", [](double x) { return x * sigmoid(double{1.702f} * x); },
     1.2e-7, true},
    {Activation::kRelu, "relu", [](double x) { return std::max(0.0, x); }, 0, false},
    {Activation::kSilu, "silu", [](double x) { return x * sigmoid(x); }, 1.2e-7, true},
    {Activation::kTanh, "tanh", [](double x) { return std::tanh(x); }, 8e-8, false},
    {Activation::kSigmoid, "sigmoid", sigmoid, 9e-8, false},
};

/// Every `step`-th finite float of both signs.
std::vector<float> floats(std::uint32_t step) {
  std::vector<float> x;
  for (std::uint64_t b = 0; b < 0x7F800000u; b += step) {
    const auto v = std::bit_cast<float>(static_cast<std::uint32_t>(b));
    x.push_back(v);
    x.push_back(-v);
  }
  return x;
}

class ActivateF32 : public testing::TestWithParam<Isa> {
 protected:
  ActivateF32Fn activate = make_table(GetParam()).activate_f32;
};

TEST_P(ActivateF32, MatchesOracle) {
  const std::vector<float> x = floats(40009);
  std::vector<float> y(x.size());
  for (const Function& f : kFunctions) {
    activate(y.data(), x.data(), static_cast<std::int64_t>(x.size()), f.activation);
    double worst = 0;
    float at = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double magnitude = f.grows ? std::max(1.0, std::abs(double{x[i]})) : 1;
      const double error = std::abs(y[i] - f.exact(x[i])) / magnitude;
      if (!(error <= worst)) worst = error, at = x[i];
    }
    EXPECT_LE(worst, f.bound) << f.name << " at " << at;
  }
}

TEST_P(ActivateF32, IsAccurateRelativeToTheResultNearZero) {
  // gelu(x) = x/2·(1 + 0.8·x + ...): near 0 half of x to the last bits, so the sign of x is kept.
  std::vector<float> x, y;
  for (float v = 1e-37f; v < 0.01f; v *= 1.37f) x.push_back(v), x.push_back(-v);
  y.resize(x.size());
  for (const Function& f : kFunctions) {
    if (f.activation == Activation::kSigmoid) continue;
    activate(y.data(), x.data(), static_cast<std::int64_t>(x.size()), f.activation);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double want = f.exact(x[i]);
      const double relative = f.activation == Activation::kGeluQ ? 1.4e-5 : 8 * test::kEps;
      ASSERT_NEAR(y[i], want, relative * std::abs(want)) << f.name << " at " << x[i];
    }
  }
}

TEST_P(ActivateF32, ExpIsAccurateOverItsWholeRange) {
  // Far below 0, sigmoid(x) is e^x up to two roundings: the constants of exp show nowhere else as
  // well.
  std::vector<float> x, y;
  for (float v = -17; v > -87; v *= 1.00001f) x.push_back(v);
  y.resize(x.size());
  activate(y.data(), x.data(), static_cast<std::int64_t>(x.size()), Activation::kSigmoid);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double want = sigmoid(x[i]);
    ASSERT_NEAR(y[i], want, 1.55e-7 * want) << x[i];
  }
}

TEST_P(ActivateF32, BordersOfClampAndBlend) {
  for (const Function& f : kFunctions) {
    for (const float border :
         {kGeluBound, kGeluQBound, kTanhBorder, kExpMax, -kExpMin, kGelu10Limit, -kExpMin / 2,
          kExpMax / 2, kExpMax / kQuickGeluSlope}) {
      std::vector<float> x, y;
      for (const float sign : {-1.0f, 1.0f}) {
        float v = sign * border;
        for (int i = 0; i < 4; ++i) v = std::nextafter(v, 0.0f);
        for (int i = 0; i < 8; ++i) x.push_back(v), v = std::nextafter(v, sign * test::kInf);
      }
      y.resize(x.size());
      activate(y.data(), x.data(), static_cast<std::int64_t>(x.size()), f.activation);
      for (std::size_t i = 0; i < x.size(); ++i) {
        const double magnitude = f.grows ? std::abs(double{x[i]}) : 1;
        ASSERT_NEAR(y[i], f.exact(x[i]), f.bound * std::max(1.0, magnitude)) << f.name << x[i];
      }
    }
  }
}

TEST_P(ActivateF32, GeluQIsFarBelowAStepOfInt8) {
  // A row whose greatest value is v quantises in steps of v/127, and every |x| up to v is in it.
  std::vector<float> x, y;
  for (float v = 1e-6f; v < 8; v *= 1.0001f) x.push_back(v), x.push_back(-v);
  y.resize(x.size());
  activate(y.data(), x.data(), static_cast<std::int64_t>(x.size()), Activation::kGeluQ);
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); i += 2) {
    for (const std::size_t j : {i, i + 1}) worst = std::max(worst, std::abs(y[j] - gelu(x[j])));
    ASSERT_LE(worst, 2e-5 * y[i]) << "rows up to " << x[i];
  }
}

TEST_P(ActivateF32, GeluSaturatesExactly) {
  const std::vector<float> x = {5.25f, 6.0f,  1e4f,   3e38f, -5.25f,
                                -6.0f, -1e4f, -3e38f, 0.0f,  -0.0f};
  std::vector<float> y(x.size());
  activate(y.data(), x.data(), static_cast<std::int64_t>(x.size()), Activation::kGelu);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(y[i], x[i]);
  for (std::size_t i = 4; i < 8; ++i) EXPECT_EQ(y[i], 0) << x[i];
  EXPECT_EQ(test::bits(y[8]), test::bits(0.0f));
  EXPECT_EQ(test::bits(y[9]), test::bits(-0.0f));
}

TEST_P(ActivateF32, NonFiniteInputs) {
  const std::vector<float> x = {test::kNan, test::kInf, -test::kInf};
  std::vector<float> y(3);
  for (const Function& f : kFunctions) {
    activate(y.data(), x.data(), 3, f.activation);
    EXPECT_TRUE(std::isnan(y[0])) << f.name;
    const double up = f.exact(static_cast<double>(test::kInf));
    EXPECT_EQ(y[1], static_cast<float>(up)) << f.name;
    // -Inf times the limit 0 has no value; a silent finite result would be wrong only there.
    if (!f.grows && f.activation != Activation::kNone) {
      EXPECT_NEAR(y[2], f.exact(-static_cast<double>(test::kInf)), 1e-37) << f.name;
    }
  }
}

TEST_P(ActivateF32, SameBitsAsReferenceOnAllMagnitudes) {
  std::vector<float> x = floats(7919);
  for (const std::uint32_t nan :
       {0x7F800001u, 0x7FC00000u, 0x7FFFFFFFu, 0xFFC00001u, 0x7F800000u, 0xFF800000u}) {
    x.push_back(std::bit_cast<float>(nan));
  }
  std::vector<float> got(x.size()), want(x.size());
  for (const Function& f : kFunctions) {
    const auto n = static_cast<std::int64_t>(x.size());
    activate(got.data(), x.data(), n, f.activation);
    make_table(Isa::kReference).activate_f32(want.data(), x.data(), n, f.activation);
    ASSERT_TRUE(test::same_bits(got, want)) << f.name;
  }
}

TEST_P(ActivateF32, TouchesExactlyItsElements) {
  test::Rng rng(1);
  for (const test::Guard guard : {test::Guard::kAfter, test::Guard::kBefore}) {
    for (std::size_t n = 0; n <= 70; ++n) {
      GuardedBuffer<float> x(n, guard), y(n, guard);
      test::fill_mixed(x.span(), rng);
      activate(y.data(), x.data(), static_cast<std::int64_t>(n), Activation::kGelu);
      activate(x.data(), x.data(), static_cast<std::int64_t>(n), Activation::kGelu);
      ASSERT_TRUE(test::same_bits(x.span(), y.span())) << "in place, n=" << n;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(EveryLevel, ActivateF32, testing::ValuesIn(test::levels()),
                         test::level_name);

}  // namespace
}  // namespace linnet::kernels
