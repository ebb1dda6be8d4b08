#include "engine/core/math.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "kernels/kernel_table.h"

namespace linnet {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kEps = std::numeric_limits<double>::epsilon();

TEST(Math, ExpIsWithinAnUlp) {
  std::mt19937_64 rng(1);
  std::uniform_real_distribution<double> wide(-700, 709), narrow(-1, 1);
  for (int i = 0; i < 200000; ++i) {
    const double x = i % 2 == 0 ? wide(rng) : narrow(rng);
    const auto want = std::exp(static_cast<long double>(x));
    ASSERT_LE(std::abs(static_cast<long double>(math::exp(x)) - want), want * kEps) << x;
  }
}

TEST(Math, ExpIsThatOfTheKernels) {
  std::mt19937_64 rng(2);
  std::uniform_real_distribution<double> numbers(-760, 720);
  const auto kernels = kernels::make_table(kernels::supported_isas().back());
  for (int i = 0; i < 100000; ++i) {
    const double x = numbers(rng);
    double e = x;
    kernels.exp_f64(&e, 1);
    ASSERT_EQ(e, math::exp(x)) << x;
  }
}

TEST(Math, ExpAtTheBorders) {
  EXPECT_EQ(math::exp(0), 1);
  EXPECT_EQ(math::exp(710), kInf);
  EXPECT_EQ(math::exp(kInf), kInf);
  EXPECT_EQ(math::exp(-kInf), 0);
  EXPECT_EQ(math::exp(-750), 0);
  EXPECT_TRUE(std::isnan(math::exp(std::nan(""))));
  EXPECT_NEAR(math::exp(-740) / std::exp(-740.0), 1, 0.02);  // denormal
  EXPECT_TRUE(std::isfinite(math::exp(709.78)));
}

TEST(Math, LogIsWithinTwoUlps) {
  std::mt19937_64 rng(2);
  std::uniform_real_distribution<double> exponent(-1020, 1020), near(0.5, 2);
  for (int i = 0; i < 200000; ++i) {
    const double x = i % 2 == 0 ? std::exp2(exponent(rng)) : near(rng);
    const auto want = std::log(static_cast<long double>(x));
    ASSERT_LE(std::abs(static_cast<long double>(math::log(x)) - want), std::abs(want) * 2 * kEps)
        << x;
  }
  EXPECT_EQ(math::log(1), 0);
  EXPECT_EQ(math::log(0), -kInf);
  EXPECT_EQ(math::log(kInf), kInf);
  EXPECT_TRUE(std::isnan(math::log(-1)));
  EXPECT_NEAR(math::log(5e-324), std::log(5e-324), 1e-12);
}

TEST(Math, SineAndCosine) {
  std::mt19937_64 rng(3);
  std::uniform_real_distribution<double> wide(-1e6, 1e6), near(-4, 4);
  for (int i = 0; i < 200000; ++i) {
    const double x = i % 2 == 0 ? wide(rng) : near(rng);
    ASSERT_NEAR(math::sin(x), std::sin(x), 1e-15) << x;
    ASSERT_NEAR(math::cos(x), std::cos(x), 1e-15) << x;
  }
  EXPECT_EQ(math::sin(0), 0);
  EXPECT_EQ(math::cos(0), 1);
}

TEST(Math, Power) {
  EXPECT_EQ(math::power(0.5, 0), 1);
  EXPECT_EQ(math::power(-3, 5), -243);
  EXPECT_NEAR(math::power(0.999, 1000), std::pow(0.999, 1000), 1000 * kEps);
}

TEST(Math, SigmoidNeverOverflows) {
  EXPECT_EQ(math::sigmoid(0), 0.5);
  EXPECT_EQ(math::sigmoid(1e300), 1);
  EXPECT_EQ(math::sigmoid(-1e300), 0);
  EXPECT_NEAR(math::sigmoid(2), 1 / (1 + std::exp(-2.0)), 2 * kEps);
  EXPECT_NEAR(math::sigmoid(-2) + math::sigmoid(2), 1, 2 * kEps);
}

TEST(Math, SoftmaxOfLargeScores) {
  const float x[] = {1000, 1001, 999};
  double y[3];
  math::softmax(y, x, 3);
  EXPECT_NEAR(y[0] + y[1] + y[2], 1, 4 * kEps);
  EXPECT_NEAR(y[1] / y[0], std::exp(1.0), 1e-14);
}

}  // namespace
}  // namespace linnet
