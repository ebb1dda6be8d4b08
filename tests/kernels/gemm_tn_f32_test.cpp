// The products of training: dW = dYᵀ·X, which has a slot of its own, and dX = dY·W, which is
// gemm_f32 with W packed by its other stride.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "tests/kernels/levels.h"
#include "tests/support/guarded_buffer.h"

namespace linnet::kernels {
namespace {

using test::GuardedBuffer;
using test::Rng;

constexpr float kUntouched = -12345.0f;

struct Problem {
  std::int64_t T, N, K;
  ChainStart start = ChainStart::kZero;
  std::int64_t slack = 0;  // leading dimensions are wider than the matrices by this
  test::Guard guard = test::Guard::kAfter;
};

std::size_t span_of(std::int64_t rows, std::int64_t cols, std::int64_t ld) {
  return rows == 0 ? 0 : static_cast<std::size_t>((rows - 1) * ld + cols);
}

struct Operands {
  GuardedBuffer<float> a, b, c;

  Operands(const Problem& p, std::uint64_t seed)
      : a(span_of(p.T, p.N, p.N + p.slack), p.guard),
        b(span_of(p.T, p.K, p.K + 2 * p.slack), p.guard),
        c(span_of(p.N, p.K, p.K + p.slack), p.guard) {
    Rng rng(seed);
    test::fill_mixed(a.span(), rng);
    test::fill_mixed(b.span(), rng);
    test::fill_mixed(c.span(), rng);
    for (std::int64_t n = 0; n + 1 < p.N; ++n) {
      std::fill_n(c.data() + n * (p.K + p.slack) + p.K, p.slack, kUntouched);
    }
  }
};

GemmTnF32Args arguments(const Problem& p, const Operands& o, float* c) {
  GemmTnF32Args g;
  g.c = c, g.ldc = p.K + p.slack;
  g.a = o.a.data(), g.lda = p.N + p.slack;
  g.b = o.b.data(), g.ldb = p.K + 2 * p.slack;
  g.start = p.start;
  g.T = p.T, g.N = p.N, g.K = p.K, g.n_end = p.N;
  return g;
}

/// c with the gaps between its rows; rows in slices of `step`, the last slice first.
std::vector<float> run(Isa isa, const Problem& p, const Operands& o, std::int64_t step = 1 << 20) {
  GuardedBuffer<float> c(o.c.size(), p.guard);
  std::copy(o.c.span().begin(), o.c.span().end(), c.data());
  GemmTnF32Args g = arguments(p, o, c.data());
  for (std::int64_t n = (p.N - 1) / step * step; n >= 0; n -= step) {
    g.n_begin = n, g.n_end = std::min(p.N, n + step);
    make_table(isa).gemm_tn_f32(g);
  }
  return {c.span().begin(), c.span().end()};
}

testing::AssertionResult level_is_reference(Isa isa, const Problem& p, std::uint64_t seed) {
  const Operands o(p, seed);
  auto result = test::same_bits(run(isa, p, o), run(Isa::kReference, p, o));
  if (!result) result << " in T=" << p.T << " N=" << p.N << " K=" << p.K << " slack=" << p.slack;
  return result;
}

class GemmTnF32Level : public testing::TestWithParam<Isa> {};

TEST_P(GemmTnF32Level, MatchesOracle) {
  for (const auto& [T, N, K] : {std::array<std::int64_t, 3>{1, 1, 1},
                                {5, 3, 17},
                                {64, 9, 49},
                                {700, 8, 48},
                                {257, 13, 7}}) {
    for (const ChainStart start : {ChainStart::kZero, ChainStart::kContinue}) {
      const Problem p = {.T = T, .N = N, .K = K, .start = start, .slack = 3};
      const Operands o(p, 1);
      const std::vector<float> c = run(GetParam(), p, o);
      for (std::int64_t n = 0; n < N; ++n) {
        for (std::int64_t k = 0; k < K; ++k) {
          const auto at = static_cast<std::size_t>(n * (K + p.slack) + k);
          double want = start == ChainStart::kContinue ? double{o.c[at]} : 0;
          double magnitude = std::abs(want);
          for (std::int64_t t = 0; t < T; ++t) {
            const double term =
                double{o.a.data()[t * (N + p.slack) + n]} * o.b.data()[t * (K + 2 * p.slack) + k];
            want += term;
            magnitude += std::abs(term);
          }
          // T roundings, each of a partial sum no greater than the sum of the absolute terms.
          const double bound = static_cast<double>(T) * test::kEps * magnitude;
          ASSERT_NEAR(c[at], want, bound) << "row " << n << " column " << k;
        }
      }
    }
  }
}

TEST_P(GemmTnF32Level, SameBitsForEveryTailOfRowsAndColumns) {
  for (std::int64_t N = 1; N <= 26; ++N) {
    for (std::int64_t K = 1; K <= 98; K += K < 50 ? 1 : 5) {
      ASSERT_TRUE(level_is_reference(GetParam(), {.T = 19, .N = N, .K = K}, 4));
    }
  }
}

TEST_P(GemmTnF32Level, SameBitsForEveryNumberOfTokens) {
  for (const std::int64_t T : {0, 1, 2, 127, 128, 129, 255, 256, 257, 300, 511, 513, 1025}) {
    for (const ChainStart start : {ChainStart::kZero, ChainStart::kContinue}) {
      ASSERT_TRUE(level_is_reference(GetParam(),
                                     {.T = T, .N = 11, .K = 65, .start = start, .slack = 1}, 5));
    }
  }
}

TEST_P(GemmTnF32Level, TokensInSeveralCallsGiveTheBytesOfOne) {
  const Problem p = {.T = 400, .N = 19, .K = 70};
  const Operands o(p, 6);
  const std::vector<float> whole = run(GetParam(), p, o);
  for (const std::int64_t part : {1, 7, 128, 250, 399}) {
    std::vector<float> c(whole.size(), kUntouched);
    GemmTnF32Args g = arguments(p, o, c.data());
    for (std::int64_t t = 0; t < p.T; t += part) {
      g.T = std::min(part, p.T - t);
      g.a = o.a.data() + t * g.lda, g.b = o.b.data() + t * g.ldb;
      g.start = t == 0 ? ChainStart::kZero : ChainStart::kContinue;
      make_table(GetParam()).gemm_tn_f32(g);
    }
    ASSERT_TRUE(test::same_bits(c, whole)) << "parts of " << part;
  }
}

TEST_P(GemmTnF32Level, RowSlicesEqualTheWhole) {
  const Problem p = {.T = 133, .N = 53, .K = 101, .slack = 2};
  const Operands o(p, 7);
  const std::vector<float> whole = run(GetParam(), p, o);
  for (const std::int64_t step : {1, 3, 8, 20}) {
    ASSERT_TRUE(test::same_bits(run(GetParam(), p, o, step), whole)) << "step " << step;
  }
}

TEST_P(GemmTnF32Level, LeavesTheGapsBetweenRowsAlone) {
  const Problem p = {.T = 9, .N = 10, .K = 50, .slack = 7};
  const Operands o(p, 8);
  const std::vector<float> c = run(GetParam(), p, o);
  for (std::int64_t n = 0; n + 1 < p.N; ++n) {
    for (std::int64_t k = p.K; k < p.K + p.slack; ++k) {
      ASSERT_EQ(c[static_cast<std::size_t>(n * (p.K + p.slack) + k)], kUntouched);
    }
  }
}

TEST_P(GemmTnF32Level, NonFiniteAndTinyNumbersAsInTheReference) {
  constexpr float kOdd[] = {test::kNan, test::kInf, -test::kInf, -0.0f,
                            0.0f,       1e-45f,     -1e-40f,     3e38f};
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const Problem p = {
        .T = 6, .N = 10, .K = 51, .start = static_cast<ChainStart>(seed % 2), .slack = 0};
    Operands o(p, seed);
    Rng rng(seed + 100);
    for (const auto span : {o.a.span(), o.b.span(), o.c.span()}) {
      for (float& v : span) {
        if (rng() % 4 == 0) v = kOdd[rng() % 8];
      }
    }
    ASSERT_TRUE(test::same_bits(run(GetParam(), p, o), run(Isa::kReference, p, o)));
  }
}

TEST_P(GemmTnF32Level, SameBitsOnRandomProblems) {
  Rng rng(12);
  for (int i = 0; i < 300; ++i) {
    const auto upto = [&rng](std::uint64_t n) { return static_cast<std::int64_t>(1 + rng() % n); };
    const Problem p = {.T = upto(rng() % 8 == 0 ? 600 : 40),
                       .N = upto(40),
                       .K = upto(rng() % 4 == 0 ? 400 : 60),
                       .start = static_cast<ChainStart>(rng() % 2),
                       .slack = upto(20) - 1,
                       .guard = static_cast<test::Guard>(rng() % 2)};
    ASSERT_TRUE(level_is_reference(GetParam(), p, rng()));
  }
}

// dX [T, K] = dY [T, N]·W: the chain runs over n, so W is packed with the strides of its transpose.
TEST_P(GemmTnF32Level, TheInputsGradientIsGemmF32OfTheTranspose) {
  for (const auto& [T, N, K] : {std::array<std::int64_t, 3>{1, 1, 1},
                                {9, 50, 65},
                                {3, 384, 100},
                                {8, 65, 384},
                                {20, 129, 47}}) {
    GuardedBuffer<float> dy(static_cast<std::size_t>(T * N)), w(static_cast<std::size_t>(N * K));
    Rng rng(3);
    test::fill_mixed(dy.span(), rng);
    test::fill_mixed(w.span(), rng);
    const GemmF32 gemm = make_table(GetParam()).gemm_f32;
    GuardedBuffer<float> packed(static_cast<std::size_t>(gemm.packed_floats(K, N)));
    GuardedBuffer<float> dx(static_cast<std::size_t>(T * K));
    gemm.pack(packed.data(), w.data(), 1, K, K, N, 0, K);
    GemmF32Args g = {.y = dx.data(), .ldy = K, .x = dy.data(), .ldx = N};
    g.w = packed.data(), g.M = T, g.N = K, g.K = N, g.n_end = K;
    gemm.run(g);
    for (std::int64_t t = 0; t < T; ++t) {
      for (std::int64_t k = 0; k < K; ++k) {
        float want = 0;
        for (std::int64_t n = 0; n < N; ++n) {
          want = std::fma(dy.data()[t * N + n], w.data()[n * K + k], want);
        }
        ASSERT_EQ(test::bits(dx.data()[t * K + k]), test::bits(want)) << t << " " << k;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(EveryLevel, GemmTnF32Level, testing::ValuesIn(test::levels()),
                         test::level_name);

}  // namespace
}  // namespace linnet::kernels
