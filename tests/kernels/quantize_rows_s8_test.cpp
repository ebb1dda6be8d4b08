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

struct Quantised {
  std::vector<std::uint8_t> q;  // [M, padded_k(K)]
  std::vector<float> scale;
};

/// Quantises x [M, ldx] out of guarded memory into guarded memory.
Quantised run(Isa isa, std::span<const float> x, std::int64_t M, std::int64_t K, std::int64_t ldx,
              std::uint8_t shift) {
  const std::int64_t ldq = padded_k(K);
  GuardedBuffer<std::uint8_t> q(static_cast<std::size_t>(M * ldq));
  GuardedBuffer<float> scale(static_cast<std::size_t>(M)), in(x.size());
  std::copy(x.begin(), x.end(), in.data());
  make_table(isa).quantize_rows_s8({.q = q.data(),
                                    .ldq = ldq,
                                    .scale = scale.data(),
                                    .x = in.data(),
                                    .ldx = ldx,
                                    .M = M,
                                    .K = K,
                                    .shift = shift});
  return {{q.span().begin(), q.span().end()}, {scale.span().begin(), scale.span().end()}};
}

int value(std::uint8_t byte, std::uint8_t shift) {
  return static_cast<std::int8_t>(static_cast<std::uint8_t>(byte - shift));
}

class QuantizeRowsS8Level : public testing::TestWithParam<Isa> {};

TEST_P(QuantizeRowsS8Level, IsTheReference) {
  Rng rng(1);
  for (const std::int64_t K : test::awkward_sizes()) {
    for (const std::uint8_t shift : {std::uint8_t{0}, std::uint8_t{128}}) {
      const std::int64_t M = 3, ldx = K + 5;
      std::vector<float> x(static_cast<std::size_t>((M - 1) * ldx + K));
      test::fill_mixed(x, rng);
      const Quantised got = run(GetParam(), x, M, K, ldx, shift);
      const Quantised want = run(Isa::kReference, x, M, K, ldx, shift);
      ASSERT_EQ(got.q, want.q) << "K=" << K;
      ASSERT_TRUE(test::same_bits(got.scale, want.scale)) << "K=" << K;
    }
  }
}

TEST_P(QuantizeRowsS8Level, IsTheFormula) {
  Rng rng(2);
  const std::int64_t K = 100;
  std::vector<float> x(static_cast<std::size_t>(K));
  for (int i = 0; i < 200; ++i) {
    test::fill_mixed(x, rng);
    const Quantised got = run(GetParam(), x, 1, K, K, 128);
    float amax = 0;
    for (const float v : x) amax = std::max(amax, std::abs(v));
    ASSERT_EQ(got.scale[0], amax / 127.0f);
    bool reached = false;
    for (std::int64_t k = 0; k < padded_k(K); ++k) {
      const int q = value(got.q[static_cast<std::size_t>(k)], 128);
      const float t = k < K ? x[static_cast<std::size_t>(k)] * (127.0f / amax) : 0.0f;
      ASSERT_EQ(q, static_cast<int>(std::nearbyint(t))) << "element " << k;
      ASSERT_LE(std::abs(q), 127);
      reached = reached || std::abs(q) == 127;
    }
    ASSERT_TRUE(reached);
  }
}

TEST_P(QuantizeRowsS8Level, TiesGoToEven) {
  std::vector<float> x = {127.0f};  // 127 / amax is 1: x is what is rounded
  for (float v = -126.5f; v < 127; v += 1) x.push_back(v);
  const auto K = static_cast<std::int64_t>(x.size());
  const Quantised got = run(GetParam(), x, 1, K, K, 0);
  for (std::size_t k = 0; k < x.size(); ++k) {
    EXPECT_EQ(value(got.q[k], 0), static_cast<int>(std::nearbyint(x[k]))) << x[k];
  }
}

TEST_P(QuantizeRowsS8Level, ZeroAndTinyRowsAreZero) {
  for (const float v : {0.0f, -0.0f, 1e-45f, 9e-31f, -3e-39f}) {
    const std::vector<float> x(70, v);
    const Quantised got = run(GetParam(), x, 1, 70, 70, 128);
    EXPECT_EQ(got.scale[0], std::abs(v) / 127.0f);
    EXPECT_TRUE(std::all_of(got.q.begin(), got.q.end(), [](std::uint8_t b) { return b == 128; }));
  }
  const std::vector<float> least(70, 1.0001e-30f);  // the least rows that are not: no overflow
  EXPECT_EQ(run(GetParam(), least, 1, 70, 70, 0).q[69], 127);
}

TEST_P(QuantizeRowsS8Level, OneHugeElementLeavesTheOthersSmall) {
  std::vector<float> x(130, 1.0f);
  x[77] = -3e38f;
  const Quantised got = run(GetParam(), x, 1, 130, 130, 0);
  EXPECT_EQ(value(got.q[77], 0), -127);
  EXPECT_EQ(got.q[0], 0);
  EXPECT_EQ(got.scale[0], 3e38f / 127.0f);
}

TEST_P(QuantizeRowsS8Level, ARowThatIsNotFiniteHasNoScale) {
  for (const float odd : {test::kNan, -test::kNan, test::kInf, -test::kInf}) {
    for (const std::int64_t at : {0, 15, 16, 63, 64, 69}) {
      std::vector<float> x(3 * 70, 1.5f);
      x[static_cast<std::size_t>(70 + at)] = odd;
      const Quantised got = run(GetParam(), x, 3, 70, 70, 128);
      const Quantised want = run(Isa::kReference, x, 3, 70, 70, 128);
      EXPECT_EQ(got.q, want.q);
      EXPECT_TRUE(std::isnan(got.scale[1]));
      EXPECT_EQ(got.scale[0], 1.5f / 127.0f);  // its neighbours do not see it
      EXPECT_EQ(got.scale[2], 1.5f / 127.0f);
      EXPECT_TRUE(std::none_of(got.q.begin(), got.q.end(), [](std::uint8_t b) { return b == 0; }));
    }
  }
}

TEST_P(QuantizeRowsS8Level, AnActivationComesFirstThenTheTransform) {
  constexpr std::int64_t M = 4;
  Rng rng(3);
  const KernelTable table = make_table(GetParam()), reference = make_table(Isa::kReference);
  for (const std::int64_t K : {1, 15, 64, 77, 192, 300}) {
    const std::int64_t padded = padded_k(K);
    const auto n = static_cast<std::size_t>(K);
    GuardedBuffer<float> x(M * n), r(n), scratch(static_cast<std::size_t>(padded));
    test::fill_uniform(x.span(), -6, 6, rng);
    test::fill_mixed(r.span(), rng);
    x[n] = test::kNan, x[3 * n - 1] = test::kInf;  // rows 1 and 2
    for (const Activation activation : {Activation::kGeluQ, Activation::kGelu, Activation::kSilu}) {
      std::vector<float> activated(M * n);
      reference.activate_f32(activated.data(), x.data(), M * K, activation);
      for (const RowTransform& transform :
           {RowTransform{}, RowTransform{.r = r.data()}, RowTransform{.r = r.data(), .n = 4}}) {
        Quantised got = {std::vector<std::uint8_t>(static_cast<std::size_t>(M * padded)),
                         std::vector<float>(M)};
        Quantised want = got;
        QuantizeRowsS8Args a = {.q = got.q.data(), .ldq = padded, .scale = got.scale.data()};
        a.x = x.data(), a.ldx = K, a.M = M, a.K = K, a.shift = 128;
        a.activation = activation, a.transform = transform, a.scratch = scratch.data();
        table.quantize_rows_s8(a);
        a.q = want.q.data(), a.scale = want.scale.data();
        a.x = activated.data(), a.activation = Activation::kNone;
        reference.quantize_rows_s8(a);
        ASSERT_EQ(got.q, want.q) << "K=" << K;
        ASSERT_TRUE(test::same_bits(got.scale, want.scale)) << "K=" << K;
        ASSERT_TRUE(std::isnan(got.scale[1]) && std::isnan(got.scale[2]));
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(EveryLevel, QuantizeRowsS8Level, testing::ValuesIn(test::levels()),
                         test::level_name);

}  // namespace
}  // namespace linnet::kernels
