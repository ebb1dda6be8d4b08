#include "engine/ops/losses.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "engine/core/parallel.h"
#include "kernels/kernel_table.h"

namespace linnet {
namespace {

constexpr std::int64_t kRows = 40, kClasses = 301;
constexpr double kTemperature = 2, kDivisor = 7;

std::vector<float> random_scores(std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 3);
  std::vector<float> scores(kRows * kClasses);
  for (float& score : scores) score = normal(random);
  return scores;
}

struct Result {
  double loss;
  std::vector<float> gradient;
};

Result distilled(kernels::Isa isa, int thread_count, const std::vector<float>& student,
                 const std::vector<float>& teacher) {
  const auto table = kernels::make_table(isa);
  Threads threads(thread_count);
  Result result{0, student};
  std::vector<double> rows(kRows);
  const Mat<float> in_place{result.gradient.data(), kRows, kClasses, kClasses};
  const Mat<const float> said{teacher.data(), kRows, kClasses, kClasses};
  result.loss = distillation(Context{table, threads}, in_place, in_place, said,
                             {kTemperature, kDivisor}, {rows.data(), 1, kRows, kRows});
  return result;
}

double log_of_sum(const std::vector<float>& scores, std::size_t begin) {
  double sum = 0;
  for (std::size_t i = begin; i < begin + kClasses; ++i) {
    sum += std::exp(double{scores[i]} / kTemperature);
  }
  return std::log(sum);
}

// Enough rows for several threads, and more classes than are exponentiated together.
TEST(Distillation, MatchesOracleAtEveryLevelForAnyThreads) {
  const std::vector<float> x = random_scores(1), y = random_scores(2);
  const Result first = distilled(kernels::Isa::kReference, 1, x, y);
  double loss = 0;
  for (std::size_t begin = 0; begin < x.size(); begin += kClasses) {
    const double of_x = log_of_sum(x, begin), of_y = log_of_sum(y, begin);
    for (std::size_t i = begin; i < begin + kClasses; ++i) {
      const double log_q = double{x[i]} / kTemperature - of_x;
      const double log_p = double{y[i]} / kTemperature - of_y, p = std::exp(log_p);
      loss += p * (log_p - log_q) * kTemperature * kTemperature / kDivisor;
      const double want = (std::exp(log_q) - p) * kTemperature / kDivisor;
      // Rounded to float once.
      ASSERT_NEAR(first.gradient[i], want, std::abs(want) * 0x1p-24 + 1e-14) << i;
    }
  }
  EXPECT_NEAR(first.loss, loss, 1e-12 * loss);
  for (const kernels::Isa isa : kernels::supported_isas()) {
    for (const int threads : {1, 2, 3}) {
      const Result got = distilled(isa, threads, x, y);
      EXPECT_EQ(got.loss, first.loss) << kernels::name(isa) << ", " << threads << " threads";
      EXPECT_EQ(std::memcmp(got.gradient.data(), first.gradient.data(), x.size() * sizeof(float)),
                0)
          << kernels::name(isa) << ", " << threads << " threads";
    }
  }
}

}  // namespace
}  // namespace linnet
