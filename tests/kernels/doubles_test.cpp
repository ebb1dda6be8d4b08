// e^x and sums of squares in double: against long double, and the bits of every level.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <vector>

#include "tests/kernels/levels.h"
#include "tests/support/guarded_buffer.h"

namespace linnet::kernels {
namespace {

using test::GuardedBuffer;
using test::Rng;

constexpr double kInfinite = std::numeric_limits<double>::infinity();

class DoublesF64 : public testing::TestWithParam<Isa> {
 protected:
  const KernelTable table = make_table(GetParam());
  const KernelTable reference = make_table(Isa::kReference);
};

// The bits of a double; every NaN has the same.
std::uint64_t bits(double x) { return x == x ? std::bit_cast<std::uint64_t>(x) : 1; }

TEST_P(DoublesF64, ExpIsWithinAnUlp) {
  Rng rng(1);
  std::uniform_real_distribution<double> wide(-700, 709), narrow(-1, 1);
  std::vector<double> x(20'000);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = i % 2 == 0 ? wide(rng) : narrow(rng);
  const std::vector<double> from = x;
  table.exp_f64(x.data(), static_cast<std::int64_t>(x.size()));
  for (std::size_t i = 0; i < x.size(); ++i) {
    const long double want = std::exp(static_cast<long double>(from[i]));
    ASSERT_LE(std::abs(x[i] - want), want * std::numeric_limits<double>::epsilon()) << from[i];
  }
}

TEST_P(DoublesF64, ExpAtTheBorders) {
  std::vector<double> x{0,      710,   kInfinite, -kInfinite, -750, 709.782712893384,
                        -745.2, 1e300, -1e300};
  table.exp_f64(x.data(), static_cast<std::int64_t>(x.size()));
  EXPECT_EQ(x[0], 1);
  for (const std::size_t i : {1u, 2u, 7u}) EXPECT_EQ(x[i], kInfinite) << i;
  for (const std::size_t i : {3u, 4u, 8u}) EXPECT_EQ(x[i], 0) << i;
  EXPECT_GT(x[5], 1e308);
  EXPECT_LT(x[6], 1e-323);
}

TEST_P(DoublesF64, ExpHasTheSameBits) {
  Rng rng(2);
  std::uniform_real_distribution<double> numbers(-760, 720);  // denormal results too
  for (const std::int64_t n : test::awkward_sizes()) {
    const auto size = static_cast<std::size_t>(n);
    GuardedBuffer<double> got(size), want(size);
    for (std::size_t i = 0; i < size; ++i) got.data()[i] = numbers(rng);
    if (size > 2) got.data()[1] = std::numeric_limits<double>::quiet_NaN();
    std::copy_n(got.data(), size, want.data());
    table.exp_f64(got.data(), n);
    reference.exp_f64(want.data(), n);
    for (std::size_t i = 0; i < size; ++i) {
      ASSERT_EQ(bits(got.data()[i]), bits(want.data()[i])) << "n=" << n << " " << i;
    }
    EXPECT_TRUE(size <= 2 || std::isnan(got.data()[1]));
  }
}

// Element i into partial i mod 16, then p[j] += p[j+8], +4, +2, +1.
double partials_of(const float* x, std::int64_t n) {
  double p[16] = {};
  for (std::int64_t i = 0; i < n; ++i) {
    p[i % 16] = std::fma(static_cast<double>(x[i]), static_cast<double>(x[i]), p[i % 16]);
  }
  for (int half = 8; half > 0; half /= 2) {
    for (int j = 0; j < half; ++j) p[j] += p[j + half];
  }
  return p[0];
}

TEST_P(DoublesF64, SumsOfSquaresAreThoseOfTheirPartials) {
  Rng rng(3);
  constexpr std::int64_t kRows = 3;
  for (const std::int64_t n : test::awkward_sizes()) {
    const auto size = static_cast<std::size_t>(n);
    GuardedBuffer<float> x(kRows * size);
    GuardedBuffer<double> sums(kRows);
    test::fill_mixed(x.span(), rng);
    table.sums_of_squares_f32(sums.data(), x.data(), kRows, n);
    for (std::int64_t m = 0; m < kRows; ++m) {
      ASSERT_EQ(bits(sums.data()[m]), bits(partials_of(x.data() + m * n, n))) << "n=" << n;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(EveryLevel, DoublesF64, testing::ValuesIn(test::levels()),
                         test::level_name);

}  // namespace
}  // namespace linnet::kernels
