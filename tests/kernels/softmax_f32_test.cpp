#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/kernels/levels.h"
#include "tests/support/guarded_buffer.h"

namespace linnet::kernels {
namespace {

using test::GuardedBuffer;
using test::Rng;

class SoftmaxF32 : public testing::TestWithParam<Isa> {
 protected:
  SoftmaxF32Fn softmax = make_table(GetParam()).softmax_f32;
  SoftmaxF32Fn reference = make_table(Isa::kReference).softmax_f32;

  std::vector<float> row(const std::vector<float>& x) {
    std::vector<float> y(x.size()), want(x.size());
    const auto n = static_cast<std::int64_t>(x.size());
    softmax(y.data(), n, x.data(), n, 1, n);
    reference(want.data(), n, x.data(), n, 1, n);
    EXPECT_TRUE(test::same_bits(y, want));
    return y;
  }
};

TEST_P(SoftmaxF32, MatchesOracleAndReference) {
  Rng rng(1);
  constexpr std::int64_t kM = 3;
  for (const std::int64_t N : test::awkward_sizes()) {
    const std::int64_t ldx = N + 5, ldy = N + 2;
    GuardedBuffer<float> x(static_cast<std::size_t>(2 * ldx + N));
    GuardedBuffer<float> y(static_cast<std::size_t>(2 * ldy + N)), want(y.size());
    test::fill_uniform(x.span(), -30, 30, rng);
    softmax(y.data(), ldy, x.data(), ldx, kM, N);
    reference(want.data(), ldy, x.data(), ldx, kM, N);
    ASSERT_TRUE(test::same_bits(y.span(), want.span())) << "N=" << N;
    for (std::int64_t m = 0; m < kM; ++m) {
      const float* row = x.data() + m * ldx;
      const double max = *std::max_element(row, row + N);
      double sum = 0;
      for (std::int64_t j = 0; j < N; ++j) sum += std::exp(row[j] - max);
      for (std::int64_t j = 0; j < N; ++j) {
        const double exact = std::exp(row[j] - max) / sum;
        // The difference rounds once (up to 60·2^-24 in the exponent), exp twice, the sum N/16 + 4
        // times, quotient and product once each; below e^-87.3 the result is 0.
        const double bound =
            (60 + 8 + static_cast<double>(N) / 16) * test::kEps * exact + std::exp(-87.3);
        ASSERT_NEAR(y.data()[m * ldy + j], exact, bound) << "N=" << N << " j=" << j;
      }
    }
  }
}

TEST_P(SoftmaxF32, SameBitsOnMixedExponentsAndInPlace) {
  Rng rng(2);
  for (std::int64_t N = 1; N <= 140; ++N) {
    const auto n = static_cast<std::size_t>(N);
    GuardedBuffer<float> x(5 * n), y(5 * n), want(5 * n);
    test::fill_mixed(x.span(), rng);
    softmax(y.data(), N, x.data(), N, 5, N);
    reference(want.data(), N, x.data(), N, 5, N);
    ASSERT_TRUE(test::same_bits(y.span(), want.span())) << "N=" << N;
    softmax(x.data(), N, x.data(), N, 5, N);
    ASSERT_TRUE(test::same_bits(x.span(), want.span())) << "in place, N=" << N;
  }
}

TEST_P(SoftmaxF32, EqualScoresAreEqualShares) {
  for (const std::size_t n : std::vector<std::size_t>{1, 2, 16, 17, 64, 1024, 1025}) {
    for (const float score : {0.0f, -1000.0f, 3e38f}) {
      for (const float y : row(std::vector<float>(n, score))) {
        ASSERT_EQ(y, 1.0f / static_cast<float>(n)) << "n=" << n << " score " << score;
      }
    }
  }
}

TEST_P(SoftmaxF32, VeryLowScoresGetNothing) {
  std::vector<float> x(33, 1.0f);
  x[5] = -3e38f;
  x[32] = -test::kInf;
  x[0] = 1.0f - 87.4f;
  const std::vector<float> y = row(x);
  for (const std::size_t j : std::vector<std::size_t>{0, 5, 32})
    EXPECT_EQ(test::bits(y[j]), test::bits(0.0f));
  EXPECT_EQ(y[1], 1.0f / 30);
}

TEST_P(SoftmaxF32, NonFiniteScoresShow) {
  for (const std::size_t at : std::vector<std::size_t>{0, 7, 16, 32, 36}) {
    for (const float odd : {test::kNan, test::kInf}) {
      std::vector<float> x(37, 0.5f);
      x[at] = odd;
      for (const float y : row(x)) ASSERT_TRUE(std::isnan(y));
    }
  }
  for (const float y : row(std::vector<float>(20, -test::kInf))) ASSERT_TRUE(std::isnan(y));
}

INSTANTIATE_TEST_SUITE_P(EveryLevel, SoftmaxF32, testing::ValuesIn(test::levels()),
                         test::level_name);

}  // namespace
}  // namespace linnet::kernels
