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

enum class Bytes { kAny, kExtreme, kAllPlus, kAllMinus };

std::int8_t byte_of(Bytes kind, Rng& rng) {
  const auto r = static_cast<int>(rng() % 255);
  switch (kind) {
    case Bytes::kAny:
      return static_cast<std::int8_t>(r - 127);
    case Bytes::kExtreme:
      return static_cast<std::int8_t>(r % 2 == 0 ? 127 : -127);
    case Bytes::kAllPlus:
      return 127;
    case Bytes::kAllMinus:
      return -127;
  }
  return 0;
}

struct Product {
  struct Operands {
    std::vector<std::int8_t> x, w;  // [M, padded_k(K)], [N, K]
    GuardedBuffer<float> x_scale, w_scale;
    test::Epilogue epilogue;

    Operands(const Problem& p, std::uint64_t seed, Bytes x_bytes = Bytes::kAny,
             Bytes w_bytes = Bytes::kAny)
        : Operands(p, Rng(seed), x_bytes, w_bytes) {}
    Operands(const Problem& p, Rng rng, Bytes x_bytes, Bytes w_bytes)
        : x(static_cast<std::size_t>(p.M * padded_k(p.K))),
          w(static_cast<std::size_t>(p.N * p.K)),
          x_scale(static_cast<std::size_t>(p.M), p.guard),
          w_scale(static_cast<std::size_t>(p.N), p.guard),
          epilogue(p, rng) {
      for (std::int64_t i = 0; i < p.M * padded_k(p.K); ++i) {
        if (i % padded_k(p.K) < p.K) x[static_cast<std::size_t>(i)] = byte_of(x_bytes, rng);
      }
      for (std::int8_t& v : w) v = byte_of(w_bytes, rng);
      for (float& v : x_scale.span()) v = std::abs(test::mixed(rng));
      for (float& v : w_scale.span()) v = std::abs(test::mixed(rng));
    }
  };

  static std::vector<float> run(Isa isa, const Problem& p, const Operands& o,
                                std::int64_t panels = test::kAllSteps) {
    const KernelTable table = make_table(isa);
    const std::int64_t columns = (p.N + 15) / 16 * 16, K64 = padded_k(p.K), ldx = K64 + p.slack;
    GuardedBuffer<std::int8_t> packed(static_cast<std::size_t>(columns * column_bytes_s8(p.K)),
                                      p.guard);
    table.pack_s8(packed.data(), o.w.data(), p.K, 1, p.K, 0, p.N);
    GuardedBuffer<std::uint8_t> x(test::span_of(p.M, K64, ldx), p.guard);
    for (std::int64_t i = 0; i < p.M * K64; ++i) {
      x.data()[i / K64 * ldx + i % K64] =
          static_cast<std::uint8_t>(o.x[static_cast<std::size_t>(i)] + table.gemm_s8.shift);
    }
    test::Result y(p, o.epilogue);
    auto a = y.arguments<GemmS8Args>();
    a.x = x.data(), a.ldx = ldx, a.x_scale = o.x_scale.data();
    a.w = packed.data(), a.w_scale = o.w_scale.data();
    test::in_slices(p.N, panels * kPanelS8, [&](std::int64_t begin, std::int64_t end) {
      a.n_begin = begin, a.n_end = end;
      table.gemm_s8.run(a);
    });
    return y.values();
  }

  /// The product in 64-bit integers.
  static std::int64_t exact_sum(const Problem& p, const Operands& o, std::int64_t m,
                                std::int64_t n) {
    std::int64_t sum = 0;
    for (std::int64_t k = 0; k < p.K; ++k) {
      sum += std::int64_t{o.x[static_cast<std::size_t>(m * padded_k(p.K) + k)]} *
             o.w[static_cast<std::size_t>(n * p.K + k)];
    }
    return sum;
  }
};
using Operands = Product::Operands;

class GemmS8Level : public testing::TestWithParam<Isa> {};

TEST_P(GemmS8Level, IsTheFormula) {
  test::is_the_formula<Product>(GetParam(),
                                {{1, 1, 1}, {3, 17, 5}, {9, 49, 64}, {8, 48, 768}, {2, 7, 3072}});
}

TEST_P(GemmS8Level, IsExactOnOperandsOfFullRange) {
  constexpr Bytes kAll[] = {Bytes::kExtreme, Bytes::kAllPlus, Bytes::kAllMinus};
  for (const std::int64_t K : {64, 100, 768, 4096, 65536}) {
    for (const Bytes x : kAll) {
      for (const Bytes w : kAll) {
        for (const std::int64_t M : {1, 2, 9}) {
          const Problem p = {.M = M, .N = 50, .K = K, .with_bias = false};
          Operands o(p, 2, x, w);
          std::fill(o.x_scale.span().begin(), o.x_scale.span().end(), 1.0f);
          std::fill(o.w_scale.span().begin(), o.w_scale.span().end(), 1.0f);
          const std::vector<float> got = Product::run(GetParam(), p, o);
          for (std::int64_t m = 0; m < p.M; ++m) {
            for (std::int64_t n : {0, 31, 32, 49}) {
              ASSERT_EQ(got[p.at(m, n)], static_cast<float>(Product::exact_sum(p, o, m, n)))
                  << "K=" << K;
            }
          }
        }
      }
    }
  }
}

TEST_P(GemmS8Level, SameBitsForEveryTailOfRowsAndColumns) {
  test::same_bits_for_every_tail<Product>(GetParam(), 34, 130);
}

TEST_P(GemmS8Level, SameBitsForEveryInnerDimension) {
  test::same_bits_for_every_inner_dimension<Product>(GetParam());
}

TEST_P(GemmS8Level, SameBitsForModelShapes) {
  test::same_bits_for_model_shapes<Product>(GetParam());
}

TEST_P(GemmS8Level, EpilogueIsBiasThenActivationThenResidual) {
  test::epilogue_is_in_order<Product>(GetParam());
}

TEST_P(GemmS8Level, ColumnSlicesEqualTheWhole) {
  test::column_slices_equal_the_whole<Product>(GetParam());
}

TEST_P(GemmS8Level, RowsDoNotDependOnTheirNeighbours) {
  const Problem p = {.M = 37, .N = 100, .K = 77};
  const Operands o(p, 9);
  const std::vector<float> whole = Product::run(GetParam(), p, o);
  for (std::int64_t m = 0; m < p.M; ++m) {
    const Problem one = {.M = 1, .N = p.N, .K = p.K};
    Operands alone(one, 9);
    std::copy_n(o.x.data() + m * padded_k(p.K), p.K, alone.x.data());
    alone.w = o.w;
    alone.x_scale[0] = o.x_scale.data()[m];
    std::copy_n(o.w_scale.data(), p.N, alone.w_scale.data());
    std::copy_n(o.epilogue.bias.data(), p.N, alone.epilogue.bias.data());
    const std::span row =
        std::span(whole).subspan(static_cast<std::size_t>(m * p.N), static_cast<std::size_t>(p.N));
    ASSERT_TRUE(test::same_bits(Product::run(GetParam(), one, alone), row)) << "row " << m;
  }
}

TEST_P(GemmS8Level, LeavesTheGapsBetweenRowsAlone) {
  test::leaves_the_gaps_between_rows_alone<Product>(GetParam());
}

TEST_P(GemmS8Level, ARowWithoutScaleIsNotANumberAndAloneInThat) {
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

TEST_P(GemmS8Level, TinyHugeAndZeroScalesAsInTheReference) {
  constexpr float kOdd[] = {0.0f, 1e-45f, 1e-38f, 3e38f, 1e30f, test::kNan};
  for (const bool bias : {false, true}) {
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
      const Problem p = {.M = 10, .N = 51, .K = 6, .with_bias = bias};
      Operands o(p, seed);
      Rng rng(seed + 100);
      for (float& v : o.x_scale.span()) v = rng() % 4 == 0 ? kOdd[rng() % 6] : v;
      for (float& v : o.w_scale.span()) v = rng() % 4 == 0 ? kOdd[rng() % 5] : v;
      for (float& v : o.epilogue.bias.span()) v = rng() % 4 == 0 ? -kOdd[rng() % 5] : v;
      ASSERT_TRUE(
          test::same_bits(Product::run(GetParam(), p, o), Product::run(Isa::kReference, p, o)));
    }
  }
}

TEST_P(GemmS8Level, SameBitsOnRandomProblems) {
  test::same_bits_on_random_problems<Product>(GetParam(), 140, 2000);
}

INSTANTIATE_TEST_SUITE_P(EveryLevel, GemmS8Level, testing::ValuesIn(test::levels()),
                         test::level_name);

}  // namespace
}  // namespace linnet::kernels
