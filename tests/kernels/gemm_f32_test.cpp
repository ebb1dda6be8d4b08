#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "tests/kernels/levels.h"
#include "tests/support/guarded_buffer.h"

namespace linnet::kernels {
namespace {

using test::GuardedBuffer;
using test::Rng;

enum class Residual { kNone, kApart, kInPlace };

/// A product with all its operands in guarded buffers of exactly the stated size.
struct Problem {
  std::int64_t M, N, K;
  bool with_bias = true;
  Residual residual_kind = Residual::kNone;
  Activation activation = Activation::kNone;
  std::int64_t slack = 0;  // leading dimensions are wider than the matrices by this
  test::Guard guard = test::Guard::kAfter;

  std::int64_t ldx() const { return K + slack; }
  std::int64_t ldy() const { return N + 2 * slack; }
  std::int64_t ldr() const { return residual_kind == Residual::kInPlace ? ldy() : N + slack; }
};

std::size_t span_of(std::int64_t rows, std::int64_t cols, std::int64_t ld) {
  return rows == 0 ? 0 : static_cast<std::size_t>((rows - 1) * ld + cols);
}

struct Operands {
  GuardedBuffer<float> x, w, bias, residual;

  Operands(const Problem& p, std::uint64_t seed)
      : x(span_of(p.M, p.K, p.ldx()), p.guard),
        w(static_cast<std::size_t>(p.N * p.K), p.guard),
        bias(static_cast<std::size_t>(p.N), p.guard),
        residual(span_of(p.M, p.N, p.ldr()), p.guard) {
    Rng rng(seed);
    test::fill_mixed(x.span(), rng);
    test::fill_mixed(w.span(), rng);
    test::fill_mixed(bias.span(), rng);
    test::fill_mixed(residual.span(), rng);
  }
};

constexpr float kUntouched = -12345.0f;

/// y [M, ldy], the gaps between rows included. Columns are computed in slices of `step` column
/// steps, the last slice first.
std::vector<float> run(Isa isa, const Problem& p, const Operands& o, std::int64_t step = 1 << 20) {
  const GemmF32 gemm = make_table(isa).gemm_f32;
  GuardedBuffer<float> packed(static_cast<std::size_t>(gemm.packed_floats(p.N, p.K)), p.guard);
  GuardedBuffer<float> y(span_of(p.M, p.N, p.ldy()), p.guard);
  std::fill(y.span().begin(), y.span().end(), kUntouched);
  const bool in_place = p.residual_kind == Residual::kInPlace;
  if (in_place) {
    for (std::int64_t m = 0; m < p.M; ++m) {
      std::copy_n(o.residual.data() + m * p.ldr(), p.N, y.data() + m * p.ldy());
    }
  }
  GemmF32Args a = {.y = y.data(), .ldy = p.ldy(), .x = o.x.data(), .ldx = p.ldx()};
  a.w = packed.data();
  a.bias = p.with_bias ? o.bias.data() : nullptr;
  if (p.residual_kind != Residual::kNone) a.residual = in_place ? y.data() : o.residual.data();
  a.ld_residual = p.ldr();
  a.activation = p.activation;
  a.M = p.M, a.N = p.N, a.K = p.K;
  const std::int64_t slice = step * gemm.column_step;
  for (std::int64_t n = (p.N - 1) / slice * slice; n >= 0; n -= slice) {
    const std::int64_t end = std::min(p.N, n + slice);
    gemm.pack(packed.data(), o.w.data(), p.K, 1, p.N, p.K, n, end);
    a.n_begin = n, a.n_end = end;
    gemm.run(a);
  }
  return {y.span().begin(), y.span().end()};
}

testing::AssertionResult level_is_reference(Isa isa, const Problem& p, std::uint64_t seed) {
  const Operands o(p, seed);
  auto result = test::same_bits(run(isa, p, o), run(Isa::kReference, p, o));
  if (!result) result << " in M=" << p.M << " N=" << p.N << " K=" << p.K << " slack=" << p.slack;
  return result;
}

class GemmF32Level : public testing::TestWithParam<Isa> {};

TEST_P(GemmF32Level, MatchesOracle) {
  for (const auto& [M, N, K] : {std::array<std::int64_t, 3>{1, 1, 1},
                                {3, 17, 5},
                                {9, 49, 64},
                                {8, 48, 768},
                                {2, 7, 3072}}) {
    const Problem p = {.M = M, .N = N, .K = K, .slack = 3};
    const Operands o(p, 1);
    const std::vector<float> y = run(GetParam(), p, o);
    for (std::int64_t m = 0; m < M; ++m) {
      for (std::int64_t n = 0; n < N; ++n) {
        double want = 0, magnitude = 0;
        for (std::int64_t k = 0; k < K; ++k) {
          const double term = double{o.x.data()[m * p.ldx() + k]} * o.w.data()[n * K + k];
          want += term;
          magnitude += std::abs(term);
        }
        want += o.bias.data()[n];
        magnitude += std::abs(o.bias.data()[n]);
        // K + 1 roundings, each of a partial sum no greater than the sum of the absolute terms.
        const double bound = static_cast<double>(K + 1) * test::kEps * magnitude;
        ASSERT_NEAR(y[static_cast<std::size_t>(m * p.ldy() + n)], want, bound)
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
  const std::vector<float> y = run(GetParam(), p, o);
  for (std::int64_t m = 0; m < p.M; ++m) {
    for (std::int64_t n = 0; n < p.N; ++n) {
      std::int64_t want = 0;
      for (std::int64_t k = 0; k < p.K; ++k) {
        want += static_cast<std::int64_t>(o.x.data()[m * p.K + k]) *
                static_cast<std::int64_t>(o.w.data()[n * p.K + k]);
      }
      ASSERT_EQ(y[static_cast<std::size_t>(m * p.N + n)], static_cast<float>(want));
    }
  }
}

TEST_P(GemmF32Level, SameBitsForEveryTailOfRowsAndColumns) {
  for (std::int64_t M = 1; M <= 26; ++M) {
    for (std::int64_t N = 1; N <= 98; N += N < 50 ? 1 : 5) {
      ASSERT_TRUE(level_is_reference(GetParam(), {.M = M, .N = N, .K = 19}, 4));
    }
  }
}

TEST_P(GemmF32Level, SameBitsForEveryInnerDimension) {
  for (const std::int64_t K : test::awkward_sizes()) {
    for (const std::int64_t M : {1, 2, 5, 8, 13}) {
      ASSERT_TRUE(level_is_reference(GetParam(), {.M = M, .N = 65, .K = K, .slack = 1}, 5));
    }
  }
}

TEST_P(GemmF32Level, SameBitsForModelShapes) {
  for (const auto& [N, K] :
       {std::pair<std::int64_t, std::int64_t>{768, 768}, {1152, 384}, {384, 1536}, {768, 3072}}) {
    for (const std::int64_t M : {1, 7, 20}) {
      ASSERT_TRUE(level_is_reference(GetParam(), {.M = M, .N = N, .K = K}, 6));
    }
  }
}

TEST_P(GemmF32Level, EpilogueIsBiasThenActivationThenResidual) {
  for (const Activation activation :
       {Activation::kNone, Activation::kGelu, Activation::kGeluQ, Activation::kGeluTanh,
        Activation::kGelu10, Activation::kQuickGelu, Activation::kRelu, Activation::kSilu,
        Activation::kTanh, Activation::kSigmoid}) {
    for (const Residual residual : {Residual::kNone, Residual::kApart, Residual::kInPlace}) {
      for (const bool bias : {false, true}) {
        const Problem p = {.M = 10,
                           .N = 115,
                           .K = 3,
                           .with_bias = bias,
                           .residual_kind = residual,
                           .activation = activation,
                           .slack = 5};
        const Operands o(p, 7);
        // The same in steps: the plain product, then the elementwise kernels.
        std::vector<float> want =
            run(GetParam(), {.M = 10, .N = 115, .K = 3, .with_bias = bias, .slack = 5}, o);
        for (std::int64_t m = 0; m < p.M; ++m) {
          float* row = want.data() + m * p.ldy();
          make_table(Isa::kReference).activate_f32(row, row, p.N, activation);
          if (residual == Residual::kNone) continue;
          for (std::int64_t n = 0; n < p.N; ++n)
            row[n] = o.residual.data()[m * p.ldr() + n] + row[n];
        }
        ASSERT_TRUE(test::same_bits(run(GetParam(), p, o), want))
            << "activation " << static_cast<int>(activation) << " residual "
            << static_cast<int>(residual) << " bias " << bias;
      }
    }
  }
}

TEST_P(GemmF32Level, ColumnSlicesEqualTheWhole) {
  for (const std::int64_t M : {1, 2, 3, 8, 21}) {
    const Problem p = {.M = M, .N = 500, .K = 37, .activation = Activation::kGelu};
    const Operands o(p, 8);
    const std::vector<float> whole = run(GetParam(), p, o);
    for (const std::int64_t step : {1, 2, 3, 5}) {
      ASSERT_TRUE(test::same_bits(run(GetParam(), p, o, step), whole)) << "step " << step;
    }
  }
}

TEST_P(GemmF32Level, RowsDoNotDependOnTheirNeighbours) {
  const Problem p = {.M = 29, .N = 100, .K = 77};
  const Operands o(p, 9);
  const std::vector<float> whole = run(GetParam(), p, o);
  for (std::int64_t m = 0; m < p.M; ++m) {
    const Problem one = {.M = 1, .N = p.N, .K = p.K};
    Operands alone(one, 9);
    std::copy_n(o.x.data() + m * p.K, p.K, alone.x.data());
    std::copy_n(o.w.data(), p.N * p.K, alone.w.data());
    std::copy_n(o.bias.data(), p.N, alone.bias.data());
    ASSERT_TRUE(test::same_bits(
        run(GetParam(), one, alone),
        std::span(whole).subspan(static_cast<std::size_t>(m * p.N), static_cast<std::size_t>(p.N))))
        << "row " << m;
  }
}

TEST_P(GemmF32Level, LeavesTheGapsBetweenRowsAlone) {
  const Problem p = {.M = 9, .N = 50, .K = 4, .slack = 7};
  const Operands o(p, 10);
  const std::vector<float> y = run(GetParam(), p, o);
  for (std::int64_t m = 0; m + 1 < p.M; ++m) {
    for (std::int64_t n = p.N; n < p.ldy(); ++n) {
      ASSERT_EQ(y[static_cast<std::size_t>(m * p.ldy() + n)], kUntouched);
    }
  }
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
      for (float& v : o.bias.span()) {
        if (rng() % 4 == 0) v = kOdd[rng() % 8];
      }
      ASSERT_TRUE(test::same_bits(run(GetParam(), p, o), run(Isa::kReference, p, o)));
    }
  }
}

TEST_P(GemmF32Level, MinusZeroIsNotMadePlusByAnAbsentBias) {
  // The only way from +0 to -0 is a product that underflows from below.
  const Problem p = {.M = 1, .N = 1, .K = 1, .with_bias = false};
  Operands o(p, 1);
  o.x[0] = -1e-30f;
  o.w[0] = 1e-30f;
  EXPECT_EQ(test::bits(run(GetParam(), p, o)[0]), test::bits(run(Isa::kReference, p, o)[0]));
  EXPECT_EQ(test::bits(run(GetParam(), p, o)[0]), test::bits(-0.0f));
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
  Rng rng(12);
  for (int i = 0; i < 400; ++i) {
    const auto upto = [&rng](std::uint64_t n) { return static_cast<std::int64_t>(1 + rng() % n); };
    const Problem p = {.M = upto(40),
                       .N = upto(rng() % 4 == 0 ? 400 : 60),
                       .K = upto(rng() % 8 == 0 ? 900 : 40),
                       .with_bias = rng() % 2 == 0,
                       .residual_kind = static_cast<Residual>(rng() % 3),
                       .activation = static_cast<Activation>(rng() % 9),
                       .slack = upto(20) - 1,
                       .guard = static_cast<test::Guard>(rng() % 2)};
    ASSERT_TRUE(level_is_reference(GetParam(), p, rng()));
  }
}

INSTANTIATE_TEST_SUITE_P(EveryLevel, GemmF32Level, testing::ValuesIn(test::levels()),
                         test::level_name);

}  // namespace
}  // namespace linnet::kernels
