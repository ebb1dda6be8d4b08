#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "tests/kernels/product.h"

namespace linnet::kernels {
namespace {

using test::GuardedBuffer;
using test::Problem;
using test::Rng;

struct Product {
  static std::int64_t ldx(const Problem& p) { return p.K + p.slack; }

  struct Operands {
    GuardedBuffer<float> x, w;
    test::Epilogue epilogue;

    Operands(const Problem& p, std::uint64_t seed) : Operands(p, Rng(seed)) {}
    Operands(const Problem& p, Rng rng)
        : x(test::span_of(p.M, p.K, ldx(p)), p.guard),
          w(static_cast<std::size_t>(p.N * p.K), p.guard),
          epilogue(p, rng) {
      test::fill_mixed(x.span(), rng);
      test::fill_mixed(w.span(), rng);
    }
  };

  static std::vector<float> run(Isa isa, const Problem& p, const Operands& o,
                                std::int64_t steps = test::kAllSteps) {
    const GemmF32 gemm = make_table(isa).gemm_f32;
    GuardedBuffer<float> packed(static_cast<std::size_t>(gemm.packed_floats(p.N, p.K)), p.guard);
    test::Result y(p, o.epilogue);
    auto a = y.arguments<GemmF32Args>();
    a.x = o.x.data(), a.ldx = ldx(p);
    a.w = packed.data();
    test::in_slices(p.N, steps * gemm.column_step, [&](std::int64_t begin, std::int64_t end) {
      gemm.pack(packed.data(), o.w.data(), p.K, 1, p.N, p.K, begin, end);
      a.n_begin = begin, a.n_end = end;
      gemm.run(a);
    });
    return y.values();
  }
};
using Operands = Product::Operands;

class GemmF32Level : public testing::TestWithParam<Isa> {};

TEST_P(GemmF32Level, MatchesOracle) {
  for (const auto& [M, N, K] : {std::array<std::int64_t, 3>{1, 1, 1},
                                {3, 17, 5},
                                {9, 49, 64},
                                {8, 48, 768},
                                {2, 7, 3072}}) {
    const Problem p = {.M = M, .N = N, .K = K, .slack = 3};
    const Operands o(p, 1);
    const std::vector<float> y = Product::run(GetParam(), p, o);
    for (std::int64_t m = 0; m < M; ++m) {
      for (std::int64_t n = 0; n < N; ++n) {
        double want = 0, magnitude = 0;
        for (std::int64_t k = 0; k < K; ++k) {
          const double term = double{o.x.data()[m * Product::ldx(p) + k]} * o.w.data()[n * K + k];
          want += term;
          magnitude += std::abs(term);
        }
        want += o.epilogue.bias.data()[n];
        magnitude += std::abs(o.epilogue.bias.data()[n]);
        // K + 1 roundings, each of a partial sum no greater than the sum of the absolute terms.
        const double bound = static_cast<double>(K + 1) * test::kEps * magnitude;
        ASSERT_NEAR(y[p.at(m, n)], want, bound)
            << "M=" << M << " N=" << N << " K=" << K << " row " << m << " column " << n;
      }
    }
  }
}

TEST_P(GemmF32Level, IsExactOnIntegers) {
  const Problem p = {.M = 11, .N = 67, .K = 129, .with_bias = false};
  Operands o(p, 2);
  Rng rng(3);
  for (float& v : o.x.span()) v = static_cast<float>(static_cast<int>(rng() % 17) - 8);
  for (float& v : o.w.span()) v = static_cast<float>(static_cast<int>(rng() % 17) - 8);
  const std::vector<float> y = Product::run(GetParam(), p, o);
  for (std::int64_t m = 0; m < p.M; ++m) {
    for (std::int64_t n = 0; n < p.N; ++n) {
      std::int64_t want = 0;
      for (std::int64_t k = 0; k < p.K; ++k) {
        want += static_cast<std::int64_t>(o.x.data()[m * p.K + k]) *
                static_cast<std::int64_t>(o.w.data()[n * p.K + k]);
      }
      ASSERT_EQ(y[p.at(m, n)], static_cast<float>(want));
    }
  }
}

TEST_P(GemmF32Level, SameBitsForEveryTailOfRowsAndColumns) {
  test::same_bits_for_every_tail<Product>(GetParam(), 26, 98);
}

TEST_P(GemmF32Level, SameBitsForEveryInnerDimension) {
  test::same_bits_for_every_inner_dimension<Product>(GetParam());
}

TEST_P(GemmF32Level, SameBitsForModelShapes) {
  test::same_bits_for_model_shapes<Product>(GetParam());
}

TEST_P(GemmF32Level, EpilogueIsBiasThenActivationThenResidual) {
  test::epilogue_is_in_order<Product>(GetParam());
}

TEST_P(GemmF32Level, ColumnSlicesEqualTheWhole) {
  test::column_slices_equal_the_whole<Product>(GetParam());
}

TEST_P(GemmF32Level, RowsDoNotDependOnTheirNeighbours) {
  const Problem p = {.M = 29, .N = 100, .K = 77};
  const Operands o(p, 9);
  const std::vector<float> whole = Product::run(GetParam(), p, o);
  for (std::int64_t m = 0; m < p.M; ++m) {
    const Problem one = {.M = 1, .N = p.N, .K = p.K};
    Operands alone(one, 9);
    std::copy_n(o.x.data() + m * p.K, p.K, alone.x.data());
    std::copy_n(o.w.data(), p.N * p.K, alone.w.data());
    std::copy_n(o.epilogue.bias.data(), p.N, alone.epilogue.bias.data());
    ASSERT_TRUE(test::same_bits(
        Product::run(GetParam(), one, alone),
        std::span(whole).subspan(static_cast<std::size_t>(m * p.N), static_cast<std::size_t>(p.N))))
        << "row " << m;
  }
}

TEST_P(GemmF32Level, LeavesTheGapsBetweenRowsAlone) {
  test::leaves_the_gaps_between_rows_alone<Product>(GetParam());
}

TEST_P(GemmF32Level, NonFiniteAndTinyNumbersAsInTheReference) {
  constexpr float kOdd[] = {test::kNan, test::kInf, -test::kInf, -0.0f,
                            0.0f,       1e-45f,     -1e-40f,     3e38f};
  for (const bool bias : {false, true}) {
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
      const Problem p = {.M = 10, .N = 51, .K = 6, .with_bias = bias};
      Operands o(p, seed);
      Rng rng(seed + 100);
      for (float& v : o.x.span()) {
        if (rng() % 4 == 0) v = kOdd[rng() % 8];
      }
      for (float& v : o.w.span()) {
        if (rng() % 4 == 0) v = kOdd[rng() % 8];
      }
      for (float& v : o.epilogue.bias.span()) {
        if (rng() % 4 == 0) v = kOdd[rng() % 8];
      }
      ASSERT_TRUE(
          test::same_bits(Product::run(GetParam(), p, o), Product::run(Isa::kReference, p, o)));
    }
  }
}

TEST_P(GemmF32Level, MinusZeroIsNotMadePlusByAnAbsentBias) {
  // The only way from +0 to -0 is a product that underflows from below.
  const Problem p = {.M = 1, .N = 1, .K = 1, .with_bias = false};
  Operands o(p, 1);
  o.x[0] = -1e-30f;
  o.w[0] = 1e-30f;
  EXPECT_EQ(test::bits(Product::run(GetParam(), p, o)[0]),
            test::bits(Product::run(Isa::kReference, p, o)[0]));
  EXPECT_EQ(test::bits(Product::run(GetParam(), p, o)[0]), test::bits(-0.0f));
}

TEST_P(GemmF32Level, PacksATransposedMatrixAlike) {
  const GemmF32 gemm = make_table(GetParam()).gemm_f32;
  for (const std::int64_t N : {1, 15, 16, 48, 50, 100, 193}) {
    for (const std::int64_t K : {1, 2, 15, 16, 17, 40}) {
      const auto size = static_cast<std::size_t>(N * K);
      GuardedBuffer<float> w(size), wt(size);
      Rng rng(11);
      test::fill_mixed(w.span(), rng);
      for (std::int64_t n = 0; n < N; ++n) {
        for (std::int64_t k = 0; k < K; ++k) wt.data()[k * N + n] = w.data()[n * K + k];
      }
      const auto packed_size = static_cast<std::size_t>(gemm.packed_floats(N, K));
      GuardedBuffer<float> a(packed_size), b(packed_size);
      gemm.pack(a.data(), w.data(), K, 1, N, K, 0, N);
      gemm.pack(b.data(), wt.data(), 1, N, N, K, 0, N);
      ASSERT_TRUE(test::same_bits(a.span(), b.span())) << "N=" << N << " K=" << K;
      GuardedBuffer<float> spread(2 * size - 1);  // every second element: neither stride is 1
      for (std::size_t i = 0; i < size; ++i) spread[2 * i] = w[i];
      gemm.pack(b.data(), spread.data(), 2 * K, 2, N, K, 0, N);
      ASSERT_TRUE(test::same_bits(a.span(), b.span())) << "spread, N=" << N << " K=" << K;
    }
  }
}

TEST_P(GemmF32Level, SameBitsOnRandomProblems) {
  test::same_bits_on_random_problems<Product>(GetParam(), 40, 900);
}

INSTANTIATE_TEST_SUITE_P(EveryLevel, GemmF32Level, testing::ValuesIn(test::levels()),
                         test::level_name);

}  // namespace
}  // namespace linnet::kernels
