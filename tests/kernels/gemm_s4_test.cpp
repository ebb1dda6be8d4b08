#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "tests/kernels/product.h"

namespace linnet::kernels {
namespace {

using test::GuardedBuffer;
using test::Problem;
using test::Rng;

enum class Numbers { kAny, kExtreme, kGreatest, kLeast };

std::int8_t number(Numbers kind, int low, int high, Rng& rng) {
  const auto r = static_cast<int>(rng() % 1024);
  switch (kind) {
    case Numbers::kAny:
      return static_cast<std::int8_t>(low + r % (high - low + 1));
    case Numbers::kExtreme:
      return static_cast<std::int8_t>(r % 2 == 0 ? low : high);
    case Numbers::kGreatest:
      return static_cast<std::int8_t>(high);
    case Numbers::kLeast:
      return static_cast<std::int8_t>(low);
  }
  return 0;
}

struct Product {
  struct Operands {
    std::vector<std::int8_t> x;  // [M, padded_k(K)]
    GuardedBuffer<std::int8_t> q, t;
    GuardedBuffer<float> x_scale, w_scale;
    test::Epilogue epilogue;

    Operands(const Problem& p, std::uint64_t seed, Numbers x_kind = Numbers::kAny,
             Numbers q_kind = Numbers::kAny, Numbers t_kind = Numbers::kAny)
        : Operands(p, Rng(seed), x_kind, q_kind, t_kind) {}
    Operands(const Problem& p, Rng rng, Numbers x_kind, Numbers q_kind, Numbers t_kind)
        : x(static_cast<std::size_t>(p.M * padded_k(p.K))),
          q(static_cast<std::size_t>(p.N * padded_k(p.K)), p.guard),
          t(static_cast<std::size_t>(p.N * padded_k(p.K) / kGroupS4), p.guard),
          x_scale(static_cast<std::size_t>(p.M), p.guard),
          w_scale(static_cast<std::size_t>(p.N), p.guard),
          epilogue(p, rng) {
      // A transform fills the padding too.
      for (std::int8_t& v : x) v = number(x_kind, -127, 127, rng);
      for (std::int8_t& v : q.span()) v = number(q_kind, -8, 7, rng);
      for (std::int8_t& v : t.span()) v = number(t_kind, -128, 127, rng);
      for (float& v : x_scale.span()) v = std::abs(test::mixed(rng));
      for (float& v : w_scale.span()) v = std::abs(test::mixed(rng));
    }
  };

  static std::vector<float> run(Isa isa, const Problem& p, const Operands& o,
                                std::int64_t panels = test::kAllSteps) {
    const KernelTable table = make_table(isa);
    const std::int64_t columns = (p.N + 15) / 16 * 16, K64 = padded_k(p.K), ldx = K64 + p.slack;
    GuardedBuffer<std::int8_t> packed(static_cast<std::size_t>(columns * column_bytes_s4(p.K)),
                                      p.guard);
    test::in_slices(p.N, panels * kPanelS4, [&](std::int64_t begin, std::int64_t end) {
      table.pack_s4(packed.data(), o.q.data(), o.t.data(), p.K, begin, end);
    });
    GuardedBuffer<std::uint8_t> x(test::span_of(p.M, K64, ldx), p.guard);
    for (std::int64_t i = 0; i < p.M * K64; ++i) {
      x.data()[i / K64 * ldx + i % K64] =
          static_cast<std::uint8_t>(o.x[static_cast<std::size_t>(i)]);
    }
    test::Result y(p, o.epilogue);
    auto a = y.arguments<GemmS8Args>();
    a.x = x.data(), a.ldx = ldx, a.x_scale = o.x_scale.data();
    a.w = packed.data(), a.w_scale = o.w_scale.data();
    test::in_slices(p.N, panels * kPanelS4, [&](std::int64_t begin, std::int64_t end) {
      a.n_begin = begin, a.n_end = end;
      table.gemm_s4(a);
    });
    return y.values();
  }

  /// The product in 64-bit integers, group by group.
  static std::int64_t exact_sum(const Problem& p, const Operands& o, std::int64_t m,
                                std::int64_t n) {
    const std::int64_t K64 = padded_k(p.K);
    std::int64_t sum = 0;
    for (std::int64_t k = 0; k < K64; ++k) {
      sum += std::int64_t{o.x[static_cast<std::size_t>(m * K64 + k)]} * o.q.data()[n * K64 + k] *
             o.t.data()[(n * K64 + k) / kGroupS4];
    }
    return sum;
  }
};
using Operands = Product::Operands;

class GemmS4Level : public testing::TestWithParam<Isa> {};

TEST_P(GemmS4Level, IsTheFormula) {
  test::is_the_formula<Product>(
      GetParam(), {{1, 1, 1}, {3, 17, 5}, {9, 33, 64}, {8, 48, 768}, {17, 32, 65}, {2, 7, 3072}});
}

TEST_P(GemmS4Level, IsExactOnOperandsOfFullRange) {
  constexpr Numbers kAll[] = {Numbers::kExtreme, Numbers::kGreatest, Numbers::kLeast};
  for (const std::int64_t K : {std::int64_t{32}, std::int64_t{100}, std::int64_t{3072}, kMaxKS4}) {
    for (const Numbers x : kAll) {
      for (const Numbers q : kAll) {
        for (const Numbers t : kAll) {
          const Problem p = {.M = 3, .N = 33, .K = K, .with_bias = false};
          Operands o(p, 2, x, q, t);
          std::fill(o.x_scale.span().begin(), o.x_scale.span().end(), 1.0f);
          std::fill(o.w_scale.span().begin(), o.w_scale.span().end(), 1.0f);
          const std::vector<float> got = Product::run(GetParam(), p, o);
          for (std::int64_t m = 0; m < p.M; ++m) {
            for (std::int64_t n : {0, 15, 16, 32}) {
              ASSERT_EQ(got[p.at(m, n)], static_cast<float>(Product::exact_sum(p, o, m, n)))
                  << "K=" << K;
            }
          }
        }
      }
    }
  }
}

TEST_P(GemmS4Level, SameBitsForEveryTailOfRowsAndColumns) {
  test::same_bits_for_every_tail<Product>(GetParam(), 20, 100);
}

TEST_P(GemmS4Level, SameBitsForEveryInnerDimension) {
  test::same_bits_for_every_inner_dimension<Product>(GetParam());
}

TEST_P(GemmS4Level, SameBitsForModelShapes) {
  test::same_bits_for_model_shapes<Product>(GetParam());
}

TEST_P(GemmS4Level, EpilogueIsBiasThenActivationThenResidual) {
  test::epilogue_is_in_order<Product>(GetParam());
}

TEST_P(GemmS4Level, ColumnSlicesEqualTheWhole) {
  test::column_slices_equal_the_whole<Product>(GetParam());
}

TEST_P(GemmS4Level, LeavesTheGapsBetweenRowsAlone) {
  test::leaves_the_gaps_between_rows_alone<Product>(GetParam());
}

TEST_P(GemmS4Level, ARowWithoutScaleIsNotANumberAndAloneInThat) {
  const Problem p = {.M = 10, .N = 51, .K = 130};
  Operands o(p, 11);
  o.x_scale[4] = test::kNan;
  const std::vector<float> got = Product::run(GetParam(), p, o);
  ASSERT_TRUE(test::same_bits(got, Product::run(Isa::kReference, p, o)));
  for (std::int64_t m = 0; m < p.M; ++m) {
    for (std::int64_t n = 0; n < p.N; ++n) {
      ASSERT_EQ(std::isnan(got[p.at(m, n)]), m == 4);
    }
  }
}

TEST_P(GemmS4Level, SameBitsOnRandomProblems) {
  test::same_bits_on_random_problems<Product>(GetParam(), 70, 2000);
}

INSTANTIATE_TEST_SUITE_P(EveryLevel, GemmS4Level, testing::ValuesIn(test::levels()),
                         test::level_name);

// The bytes that a file holds, of one group of the first column.
TEST(PackS4, LayoutOfTheFirstColumns) {
  constexpr std::int64_t kK = 64, kN = 33;
  std::vector<std::int8_t> q(kN * kK, -8), t(kN * 2, 0);
  for (std::int64_t k = 0; k < kK; ++k)
    q[static_cast<std::size_t>(k)] = static_cast<std::int8_t>(k % 16 - 8);
  t[0] = 5, t[1] = -128, t[2] = 9, t[64] = 77;
  std::vector<std::int8_t> packed(48 * column_bytes_s4(kK), 1);
  make_table(Isa::kReference).pack_s4(packed.data(), q.data(), t.data(), kK, 0, kN);
  EXPECT_EQ(packed[0], 5);
  EXPECT_EQ(packed[1], 9);
  EXPECT_EQ(packed[32], -128);
  const auto byte = [&](std::int64_t i) {
    return static_cast<std::uint8_t>(packed[static_cast<std::size_t>(i)]);
  };
  for (std::int64_t i = 0; i < 8; ++i) {
    for (std::int64_t j = 0; j < 4; ++j) {
      const std::int64_t k = 8 * i + j;
      EXPECT_EQ(byte(64 + i * 128 + j), (k % 16) | ((k + 4) % 16) << 4) << k;
      EXPECT_EQ(byte(64 + i * 128 + 4 + j), 0) << k;  // q = -8
    }
  }
  // The second panel has 16 columns, of which the first exists.
  const std::int64_t second = 32 * column_bytes_s4(kK);
  EXPECT_EQ(packed[static_cast<std::size_t>(second)], 77);
  EXPECT_EQ(packed[static_cast<std::size_t>(second + 1)], 0);
  EXPECT_EQ(byte(second + 32), 0);
  EXPECT_EQ(byte(second + 32 + 4), 0x88);
}

}  // namespace
}  // namespace linnet::kernels
