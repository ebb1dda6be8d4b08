#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/kernels/head.h"

namespace linnet::kernels {
namespace {

using test::Head;
using test::Rng;

struct Op {
  using Args = AttentionS8Args;
  static AttentionS8 of(Isa isa) { return make_table(isa).attention_s8; }
};

template <class... Queries>
std::vector<float> run(Isa isa, const Head& h, Queries... queries) {
  return test::attend<Op>(isa, h, queries...);
}

class AttentionS8Level : public testing::TestWithParam<Isa> {};

/// Softmax attention of head h in double. `error` is a bound of what quantising may change.
std::vector<double> attend_in_double(const Head& h, std::int64_t i, std::vector<double>& error) {
  const std::int64_t visible = h.causal ? i + 1 : h.keys;
  const auto width = static_cast<std::size_t>(h.width);
  const auto greatest = [&](const float* x) {
    double most = 0;
    for (std::int64_t d = 0; d < h.width; ++d) most = std::max(most, double{std::abs(x[d])});
    return most;
  };
  const auto n = static_cast<std::size_t>(visible);
  std::vector<double> s(n), ds(n), step(n);
  double max = -1e300, most_ds = 0, sum = 0, most_p = 0;
  for (std::size_t j = 0; j < n; ++j) {
    const auto row = static_cast<std::int64_t>(j) * h.ld();
    const double q_half = greatest(h.q() + i * h.ld()) / 254, k_half = greatest(h.k() + row) / 254;
    step[j] = greatest(h.v() + row) / 127;
    for (std::int64_t d = 0; d < h.width; ++d) {
      const double q = h.q()[i * h.ld() + d], k = h.k()[row + d];
      s[j] += q * k * h.scale();
      ds[j] += (q_half * std::abs(k) + k_half * std::abs(q) + q_half * k_half) * h.scale();
    }
    max = std::max(max, s[j]), most_ds = std::max(most_ds, ds[j]);
  }
  for (double& score : s) sum += score = std::exp(score - max);
  for (std::size_t j = 0; j < n; ++j) most_p = std::max(most_p, s[j] / sum * step[j]);
  // A score that is off by ds makes its weight, and the sum, wrong by a factor of e^±ds: e^±2ds in
  // all. Half a step of v, half a step of the probabilities times 127.
  const double grow = std::exp(2 * most_ds) * (1 + 1e-5);
  std::vector<double> y(width);
  error.assign(width, 0);
  for (std::size_t j = 0; j < n; ++j) {
    const double p = s[j] / sum;
    for (std::size_t d = 0; d < width; ++d) {
      const double v = h.v()[static_cast<std::int64_t>(j) * h.ld() + static_cast<std::int64_t>(d)];
      y[d] += p * v;
      error[d] += p * (grow - 1) * std::abs(v) + p * grow * step[j] / 2 + most_p * grow / 510 * 127;
    }
  }
  return y;
}

TEST_P(AttentionS8Level, IsAttentionWithinItsSteps) {
  Rng rng(1);
  for (const bool causal : {false, true}) {
    for (const auto& [keys, width] :
         {std::pair<std::int64_t, std::int64_t>{1, 64}, {5, 3}, {40, 32}, {131, 64}}) {
      Head h{keys, width, 1, causal};
      test::fill_uniform(h.qkv.span(), -1, 1, rng);
      const std::vector<float> y = run(GetParam(), h);
      double off = 0, magnitude = 0;
      for (std::int64_t i = 0; i < keys; ++i) {
        std::vector<double> error;
        const std::vector<double> want = attend_in_double(h, i, error);
        for (std::size_t d = 0; d < want.size(); ++d) {
          const double got = y[static_cast<std::size_t>(i * width) + d];
          ASSERT_NEAR(got, want[d], error[d]) << "query " << i << " of " << keys;
          off += (got - want[d]) * (got - want[d]), magnitude += want[d] * want[d];
        }
      }
      // Errors of either sign cancel: what is seen is far below the bound.
      EXPECT_LT(std::sqrt(off / magnitude), 0.02) << "keys " << keys << " width " << width;
    }
  }
}

// Numbers on the grid of the quantiser come through exactly, up to the last product.
TEST_P(AttentionS8Level, IntegersAreExact) {
  Head h{3, 8};
  for (std::int64_t j = 0; j < 3; ++j) {
    for (std::int64_t d = 0; d < 8; ++d) {
      h.qkv[static_cast<std::size_t>(j * h.ld() + d)] = 0;  // all scores 0: all weights alike
      h.qkv[static_cast<std::size_t>(j * h.ld() + 16 + d)] =
          d == 0 ? 127.0f : static_cast<float>(10 * j + d);
    }
  }
  const std::vector<float> y = run(GetParam(), h);
  EXPECT_FLOAT_EQ(y[0], 127);
  for (std::size_t d = 1; d < 8; ++d) EXPECT_FLOAT_EQ(y[d], 10 + static_cast<float>(d));
}

TEST_P(AttentionS8Level, SameBitsForEveryLength) {
  test::same_bits_for_every_length<Op>(GetParam());
}

TEST_P(AttentionS8Level, SameBitsForEveryHeadWidth) {
  test::same_bits_for_every_head_width<Op>(GetParam());
}

TEST_P(AttentionS8Level, SameBitsForLongSequences) {
  test::same_bits_for_long_sequences<Op>(GetParam());
}

// Every operand at its end and every sign alike: a 16-bit sum anywhere would saturate.
TEST_P(AttentionS8Level, ExtremesNeitherSaturateNorOverflow) {
  for (const float sign : {1.0f, -1.0f}) {
    Head h{600, 128};
    for (std::int64_t j = 0; j < h.keys; ++j) {
      for (std::int64_t d = 0; d < h.width; ++d) {
        float* row = h.qkv.data() + j * h.ld() + d;
        row[0] = 0.01f, row[h.width] = sign * 0.01f, row[2 * h.width] = sign * 2;
      }
    }
    const std::vector<float> y = run(GetParam(), h, 0, 9);
    for (const float v : y) ASSERT_NEAR(v, sign * 2, 1e-5);
    ASSERT_TRUE(test::same_bits(y, run(Isa::kReference, h, 0, 9)));
  }
}

TEST_P(AttentionS8Level, QueriesDoNotDependOnTheirSplit) {
  test::queries_do_not_depend_on_their_split<Op>(GetParam());
}

// Decoding token by token, each time with the keys so far, gives the rows of the whole sequence.
TEST_P(AttentionS8Level, PrefillEqualsDecode) {
  Rng rng(6);
  Head whole{50, 32, 0, true};
  test::fill_mixed(whole.qkv.span(), rng);
  const std::vector<float> want = run(GetParam(), whole);
  for (std::int64_t keys = 1; keys <= whole.keys; ++keys) {
    Head so_far{keys, 32, 0, true};
    std::copy_n(whole.qkv.data(), keys * whole.ld(), so_far.qkv.data());
    const auto from = want.begin() + (keys - 1) * 32;
    ASSERT_TRUE(test::same_bits(run(GetParam(), so_far, keys - 1, keys), {from, from + 32}))
        << "token " << keys - 1;
  }
}

TEST_P(AttentionS8Level, AloneEqualsPacked) { test::alone_equals_packed<Op>(GetParam()); }

TEST_P(AttentionS8Level, ScaleOfARowDoesNotReachOthers) {
  Rng rng(7);
  Head h{30, 16, 0, true};
  test::fill_mixed(h.qkv.span(), rng);
  const std::vector<float> before = run(GetParam(), h);
  for (std::int64_t d = 0; d < 3 * h.width; ++d) h.qkv.data()[20 * h.ld() + d] *= 1e6f;
  const std::vector<float> after = run(GetParam(), h);
  const auto rows = 20 * 16;  // the queries that do not see key 20
  EXPECT_TRUE(test::same_bits({before.begin(), before.begin() + rows},
                              {after.begin(), after.begin() + rows}));
  EXPECT_FALSE(
      test::same_bits({before.begin() + rows, before.end()}, {after.begin() + rows, after.end()}));
}

TEST_P(AttentionS8Level, NonFiniteNumbersAsInTheReference) {
  test::non_finite_numbers_as_in_the_reference<Op>(GetParam());
}

TEST_P(AttentionS8Level, WhoSeesANanIsNan) {
  for (int part = 0; part < 3; ++part) {
    Head h{20, 16, 0, true};
    Rng rng(9);
    test::fill_uniform(h.qkv.span(), -1, 1, rng);
    h.qkv.data()[7 * h.ld() + part * 16 + 3] = part == 1 ? test::kInf : test::kNan;
    const std::vector<float> y = run(GetParam(), h);
    for (std::int64_t i = 0; i < h.keys; ++i) {
      const bool sees = part == 0 ? i == 7 : i >= 7;
      for (std::int64_t d = 0; d < 16; ++d) {
        ASSERT_EQ(std::isnan(y[static_cast<std::size_t>(i * 16 + d)]), sees) << part << " " << i;
      }
    }
  }
}

TEST_P(AttentionS8Level, ZerosGiveZeros) {
  Head h{17, 20};
  for (const float v : run(GetParam(), h)) ASSERT_EQ(v, 0.0f);
}

TEST_P(AttentionS8Level, SameBitsOnRandomHeads) { test::same_bits_on_random_heads<Op>(GetParam()); }

INSTANTIATE_TEST_SUITE_P(EveryLevel, AttentionS8Level, testing::ValuesIn(test::levels()),
                         test::level_name);

}  // namespace
}  // namespace linnet::kernels
