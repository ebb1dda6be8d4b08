#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/kernels/levels.h"
#include "tests/support/guarded_buffer.h"

namespace linnet::kernels {
namespace {

using test::GuardedBuffer;
using test::Rng;

constexpr float kNormEps = 1e-12f;

class NormalizeL2F32 : public testing::TestWithParam<Isa> {
 protected:
  NormalizeL2F32Fn normalize = make_table(GetParam()).normalize_l2_f32;
  NormalizeL2F32Fn reference = make_table(Isa::kReference).normalize_l2_f32;
};

TEST_P(NormalizeL2F32, MatchesOracleAndReference) {
  Rng rng(1);
  constexpr std::int64_t kM = 3;
  for (const std::int64_t D : test::awkward_sizes()) {
    const auto n = static_cast<std::size_t>(D);
    GuardedBuffer<float> x(kM * n), y(kM * n), want(kM * n);
    test::fill_mixed(x.span(), rng);
    normalize(y.data(), x.data(), kM, D, kNormEps);
    reference(want.data(), x.data(), kM, D, kNormEps);
    ASSERT_TRUE(test::same_bits(y.span(), want.span())) << "D=" << D;
    for (std::size_t m = 0; m < kM; ++m) {
      double squares = 0;
      for (std::size_t i = 0; i < n; ++i) squares += std::pow(double{x[m * n + i]}, 2);
      for (std::size_t i = 0; i < n; ++i) {
        const double exact = x[m * n + i] / std::sqrt(squares);
        // D/16 + 4 roundings of a sum of positive terms, halved by the root; the root; the
        // division.
        const double bound = (static_cast<double>(D) / 32 + 4) * test::kEps * std::abs(exact);
        ASSERT_NEAR(y[m * n + i], exact, bound);
      }
    }
    normalize(x.data(), x.data(), kM, D, kNormEps);
    ASSERT_TRUE(test::same_bits(x.span(), want.span())) << "in place, D=" << D;
  }
}

TEST_P(NormalizeL2F32, ZeroTinyAndNonFiniteRows) {
  constexpr std::size_t kM = 6, kD = 20;
  GuardedBuffer<float> x(kM * kD), y(kM * kD), want(kM * kD);
  Rng rng(2);
  test::fill_mixed(x.span(), rng);
  for (std::size_t i = 0; i < kD; ++i) {
    x[i] = 0;
    x[kD + i] = 1e-14f;     // norm below eps
    x[2 * kD + i] = 1e30f;  // squares overflow
  }
  x[3 * kD + 19] = test::kNan;
  x[4 * kD] = -test::kInf;
  normalize(y.data(), x.data(), kM, kD, kNormEps);
  reference(want.data(), x.data(), kM, kD, kNormEps);
  ASSERT_TRUE(test::same_bits(y.span(), want.span()));
  EXPECT_EQ(y[0], 0);
  EXPECT_FLOAT_EQ(y[kD], 1e-2f);
  EXPECT_EQ(y[2 * kD], 0);
  EXPECT_TRUE(std::isnan(y[3 * kD]));
  EXPECT_TRUE(std::isnan(y[4 * kD]));
  EXPECT_TRUE(std::isfinite(y[5 * kD]));
}

INSTANTIATE_TEST_SUITE_P(EveryLevel, NormalizeL2F32, testing::ValuesIn(test::levels()),
                         test::level_name);

}  // namespace
}  // namespace linnet::kernels
