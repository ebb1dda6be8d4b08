#include <gtest/gtest.h>

#include <cmath>
#include <tuple>
#include <vector>

#include "tests/kernels/levels.h"
#include "tests/support/guarded_buffer.h"

namespace linnet::kernels {
namespace {

using test::GuardedBuffer;
using test::Rng;

constexpr float kLayerNormEps = 1e-5f;

class LayerNormF32 : public testing::TestWithParam<std::tuple<Isa, std::int64_t>> {
 protected:
  static constexpr std::int64_t kM = 7;  // one block of four rows and three single ones
  const Isa isa = std::get<0>(GetParam());
  const std::int64_t D = std::get<1>(GetParam());
  const std::size_t n = static_cast<std::size_t>(D);
  GuardedBuffer<float> x{kM * n}, y{kM * n}, gamma{n}, beta{n}, mean{kM}, rstd{kM};

  void fill(float centre, float spread) {
    Rng rng(7);
    test::fill_uniform(x.span(), centre - spread, centre + spread, rng);
    test::fill_mixed(gamma.span(), rng);
    test::fill_mixed(beta.span(), rng);
  }
  std::vector<float> run(Isa level) {
    make_table(level).layer_norm_f32(y.data(), mean.data(), rstd.data(), x.data(), gamma.data(),
                                     beta.data(), kM, D, kLayerNormEps);
    return {y.span().begin(), y.span().end()};
  }
};

TEST_P(LayerNormF32, MatchesOracle) {
  fill(1000, 2);  // far from 0: E[x²] - E[x]² would cancel
  run(isa);
  const auto d = static_cast<double>(D);
  for (std::size_t m = 0; m < kM; ++m) {
    double mu = 0, var = 0;
    for (std::size_t i = 0; i < n; ++i) mu += x[m * n + i] / d;
    for (std::size_t i = 0; i < n; ++i) var += std::pow(x[m * n + i] - mu, 2) / d;
    const double r = 1 / std::sqrt(var + double{kLayerNormEps});
    // Each partial takes D/16 roundings of a sum of at most 1002·D/16, then the tree 4 more:
    // relative to the mean, (D/16 + 6) roundings; random signs make it the square root of that.
    const double of_mean = 4 * std::sqrt(d / 16 + 6) * test::kEps * 1002;
    ASSERT_NEAR(mean[m], mu, of_mean);
    // d var = (error of the mean)², relative error of rstd = d var/2var, and D/16 + 12 roundings.
    const double of_rstd =
        r * (of_mean * of_mean * r * r / 2 + (std::sqrt(d / 16) + 12) * 2 * test::kEps);
    ASSERT_NEAR(rstd[m], r, of_rstd);
    for (std::size_t i = 0; i < n; ++i) {
      const double z = (x[m * n + i] - mu) * r;
      const double want = z * gamma[i] + beta[i];
      const double bound = std::abs(gamma[i]) * (of_mean * r + std::abs(z) * (of_rstd / r)) +
                           4 * test::kEps * (std::abs(z * gamma[i]) + std::abs(want));
      ASSERT_NEAR(y[m * n + i], want, bound) << "row " << m << " column " << i;
    }
  }
}

TEST_P(LayerNormF32, SameBitsAsReference) {
  for (const auto& [centre, spread] : {std::pair{0.0f, 1.0f}, {1000.0f, 2.0f}, {1e-20f, 1e-20f}}) {
    fill(centre, spread);
    const std::vector<float> want = run(Isa::kReference);
    const std::vector<float> want_mean(mean.span().begin(), mean.span().end());
    const std::vector<float> want_rstd(rstd.span().begin(), rstd.span().end());
    ASSERT_TRUE(test::same_bits(run(isa), want));
    ASSERT_TRUE(test::same_bits(mean.span(), want_mean));
    ASSERT_TRUE(test::same_bits(rstd.span(), want_rstd));
  }
  Rng rng(8);
  test::fill_mixed(x.span(), rng);
  const std::vector<float> want = run(Isa::kReference);
  ASSERT_TRUE(test::same_bits(run(isa), want));
}

TEST_P(LayerNormF32, NonFiniteRowsStayInTheirRow) {
  fill(0, 1);
  x[0] = test::kNan;
  x[1 * n + n / 2] = test::kInf;
  x[5 * n + n - 1] = -test::kInf;
  for (std::size_t i = 0; i < n; ++i)
    x[2 * n + i] = 1e-42f, x[3 * n + i] = 5;  // denormal, constant
  const std::vector<float> want = run(Isa::kReference);
  ASSERT_TRUE(test::same_bits(run(isa), want));
  for (const std::size_t m : {0u, 1u, 5u}) EXPECT_TRUE(std::isnan(y[m * n]));
  for (const std::size_t m : {2u, 3u, 4u, 6u}) EXPECT_TRUE(std::isfinite(y[m * n]));
  for (std::size_t i = 0; i < n; ++i) EXPECT_EQ(y[3 * n + i], beta[i]);
}

TEST_P(LayerNormF32, InPlaceWithoutStatistics) {
  fill(0, 1);
  const std::vector<float> want = run(isa);
  make_table(isa).layer_norm_f32(x.data(), nullptr, nullptr, x.data(), gamma.data(), beta.data(),
                                 kM, D, kLayerNormEps);
  EXPECT_TRUE(test::same_bits(x.span(), want));
}

TEST_P(LayerNormF32, RowsDoNotDependOnTheirNumber) {
  fill(3, 2);
  const std::vector<float> want = run(isa);
  for (std::int64_t m = 0; m < kM; ++m) {
    make_table(isa).layer_norm_f32(y.data() + m * D, nullptr, nullptr, x.data() + m * D,
                                   gamma.data(), beta.data(), 1, D, kLayerNormEps);
  }
  EXPECT_TRUE(test::same_bits(y.span(), want));
}

INSTANTIATE_TEST_SUITE_P(EveryLevel, LayerNormF32,
                         testing::Combine(testing::ValuesIn(test::levels()),
                                          testing::ValuesIn(test::awkward_sizes())),
                         [](const auto& p) {
                           return std::string(name(std::get<0>(p.param))) + "_D" +
                                  std::to_string(std::get<1>(p.param));
                         });

}  // namespace
}  // namespace linnet::kernels
