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

enum class Residual { kNone, kApart, kInPlace };
enum class Bytes { kAny, kExtreme, kAllPlus, kAllMinus };

/// A product with all its operands in guarded buffers of exactly the stated size.
struct Problem {
  std::int64_t M, N, K;
  bool with_bias = true;
  Residual residual_kind = Residual::kNone;
  Activation activation = Activation::kNone;
  std::int64_t slack = 0;  // leading dimensions are wider than the matrices by this
  test::Guard guard = test::Guard::kAfter;

  std::int64_t ldx() const { return padded_k(K) + slack; }
  std::int64_t ldy() const { return N + 2 * slack; }
  std::int64_t ldr() const { return residual_kind == Residual::kInPlace ? ldy() : N + slack; }
};

std::size_t span_of(std::int64_t rows, std::int64_t cols, std::int64_t ld) {
  return static_cast<std::size_t>((rows - 1) * ld + cols);
}

struct Operands {
  std::vector<std::int8_t> x, w;  // [M, padded_k(K)], [N, K]
  GuardedBuffer<float> x_scale, w_scale, bias, residual;

  Operands(const Problem& p, std::uint64_t seed, Bytes x_bytes = Bytes::kAny,
           Bytes w_bytes = Bytes::kAny)
      : x(static_cast<std::size_t>(p.M * padded_k(p.K))),
        w(static_cast<std::size_t>(p.N * p.K)),
        x_scale(static_cast<std::size_t>(p.M), p.guard),
        w_scale(static_cast<std::size_t>(p.N), p.guard),
        bias(static_cast<std::size_t>(p.N), p.guard),
        residual(span_of(p.M, p.N, p.ldr()), p.guard) {
    Rng rng(seed);
    for (std::int64_t i = 0; i < p.M * padded_k(p.K); ++i) {
      if (i % padded_k(p.K) < p.K) x[static_cast<std::size_t>(i)] = byte(x_bytes, rng);
    }
    for (std::int8_t& v : w) v = byte(w_bytes, rng);
    for (float& v : x_scale.span()) v = std::abs(test::mixed(rng));
    for (float& v : w_scale.span()) v = std::abs(test::mixed(rng));
    test::fill_mixed(bias.span(), rng);
    test::fill_mixed(residual.span(), rng);
  }

  static std::int8_t byte(Bytes kind, Rng& rng) {
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
};

constexpr float kUntouched = -12345.0f;

/// y [M, ldy], the gaps between rows included. Columns are computed in slices of `panels` panels,
/// the last slice first.
std::vector<float> run(Isa isa, const Problem& p, const Operands& o,
                       std::int64_t panels = 1 << 20) {
  const KernelTable table = make_table(isa);
  const std::int64_t columns = (p.N + 15) / 16 * 16;
  GuardedBuffer<std::int8_t> packed(static_cast<std::size_t>(columns * column_bytes_s8(p.K)),
                                    p.guard);
  table.pack_s8(packed.data(), o.w.data(), p.K, 1, p.K, 0, p.N);
  GuardedBuffer<std::uint8_t> x(span_of(p.M, padded_k(p.K), p.ldx()), p.guard);
  for (std::int64_t m = 0; m < p.M; ++m) {
    for (std::int64_t k = 0; k < padded_k(p.K); ++k) {
      const int q = o.x[static_cast<std::size_t>(m * padded_k(p.K) + k)];
      x.data()[m * p.ldx() + k] = static_cast<std::uint8_t>(q + table.gemm_s8.shift);
    }
  }
  GuardedBuffer<float> y(span_of(p.M, p.N, p.ldy()), p.guard);
  std::fill(y.span().begin(), y.span().end(), kUntouched);
  const bool in_place = p.residual_kind == Residual::kInPlace;
  if (in_place) {
    for (std::int64_t m = 0; m < p.M; ++m) {
      std::copy_n(o.residual.data() + m * p.ldr(), p.N, y.data() + m * p.ldy());
    }
  }
  GemmS8Args a = {.y = y.data(), .ldy = p.ldy(), .x = x.data(), .ldx = p.ldx()};
  a.x_scale = o.x_scale.data();
  a.w = packed.data();
  a.w_scale = o.w_scale.data();
  a.bias = p.with_bias ? o.bias.data() : nullptr;
  if (p.residual_kind != Residual::kNone) a.residual = in_place ? y.data() : o.residual.data();
  a.ld_residual = p.ldr();
  a.activation = p.activation;
  a.M = p.M, a.N = p.N, a.K = p.K;
  const std::int64_t slice = panels * kPanelS8;
  for (std::int64_t n = (p.N - 1) / slice * slice; n >= 0; n -= slice) {
    a.n_begin = n, a.n_end = std::min(p.N, n + slice);
    table.gemm_s8.run(a);
  }
  return {y.span().begin(), y.span().end()};
}

/// The product in 64-bit integers.
std::int64_t exact_sum(const Problem& p, const Operands& o, std::int64_t m, std::int64_t n) {
  std::int64_t sum = 0;
  for (std::int64_t k = 0; k < p.K; ++k) {
    sum += std::int64_t{o.x[static_cast<std::size_t>(m * padded_k(p.K) + k)]} *
           o.w[static_cast<std::size_t>(n * p.K + k)];
  }
  return sum;
}

testing::AssertionResult level_is_reference(Isa isa, const Problem& p, std::uint64_t seed) {
  const Operands o(p, seed);
  auto result = test::same_bits(run(isa, p, o), run(Isa::kReference, p, o));
  if (!result) result << " in M=" << p.M << " N=" << p.N << " K=" << p.K << " slack=" << p.slack;
  return result;
}

class GemmS8Level : public testing::TestWithParam<Isa> {};

TEST_P(GemmS8Level, IsTheFormula) {
  for (const auto& [M, N, K] : {std::array<std::int64_t, 3>{1, 1, 1},
                                {3, 17, 5},
                                {9, 49, 64},
                                {8, 48, 768},
                                {2, 7, 3072}}) {
    const Problem p = {.M = M, .N = N, .K = K, .slack = 3};
    const Operands o(p, 1);
    const std::vector<float> got = run(GetParam(), p, o);
    for (std::int64_t m = 0; m < M; ++m) {
      for (std::int64_t n = 0; n < N; ++n) {
        const auto sum = static_cast<float>(exact_sum(p, o, m, n));
        const float want =
            std::fma(sum * o.x_scale.data()[m], o.w_scale.data()[n], o.bias.data()[n]);
        ASSERT_EQ(test::bits(got[static_cast<std::size_t>(m * p.ldy() + n)]), test::bits(want))
            << "M=" << M << " N=" << N << " K=" << K << " row " << m << " column " << n;
      }
    }
  }
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
          const std::vector<float> got = run(GetParam(), p, o);
          for (std::int64_t m = 0; m < p.M; ++m) {
            for (std::int64_t n : {0, 31, 32, 49}) {
              ASSERT_EQ(got[static_cast<std::size_t>(m * p.N + n)],
                        static_cast<float>(exact_sum(p, o, m, n)))
                  << "K=" << K;
            }
          }
        }
      }
    }
  }
}

TEST_P(GemmS8Level, SameBitsForEveryTailOfRowsAndColumns) {
  for (std::int64_t M = 1; M <= 34; ++M) {
    for (std::int64_t N = 1; N <= 114; N += N < 66 ? 1 : 5) {
      ASSERT_TRUE(level_is_reference(GetParam(), {.M = M, .N = N, .K = 19}, 4));
    }
  }
}

TEST_P(GemmS8Level, SameBitsForEveryInnerDimension) {
  for (const std::int64_t K : test::awkward_sizes()) {
    for (const std::int64_t M : {1, 2, 5, 8, 13}) {
      ASSERT_TRUE(level_is_reference(GetParam(), {.M = M, .N = 65, .K = K, .slack = 1}, 5));
    }
  }
}

TEST_P(GemmS8Level, SameBitsForModelShapes) {
  for (const auto& [N, K] :
       {std::pair<std::int64_t, std::int64_t>{768, 768}, {1152, 384}, {384, 1536}, {768, 3072}}) {
    for (const std::int64_t M : {1, 7, 20}) {
      ASSERT_TRUE(level_is_reference(GetParam(), {.M = M, .N = N, .K = K}, 6));
    }
  }
}

TEST_P(GemmS8Level, EpilogueIsBiasThenActivationThenResidual) {
  for (std::int32_t activation = 0; activation < 9; ++activation) {
    for (const Residual residual : {Residual::kNone, Residual::kApart, Residual::kInPlace}) {
      for (const bool bias : {false, true}) {
        const Problem plain = {.M = 10, .N = 115, .K = 3, .with_bias = bias, .slack = 5};
        Problem p = plain;
        p.activation = static_cast<Activation>(activation);
        p.residual_kind = residual;
        const Operands o(p, 7);
        // The same in steps: the plain product, then the elementwise kernels.
        std::vector<float> want = run(GetParam(), plain, o);
        for (std::int64_t m = 0; m < p.M; ++m) {
          float* row = want.data() + m * p.ldy();
          make_table(Isa::kReference).activate_f32(row, row, p.N, p.activation);
          if (residual == Residual::kNone) continue;
          for (std::int64_t n = 0; n < p.N; ++n)
            row[n] = o.residual.data()[m * p.ldr() + n] + row[n];
        }
        const std::vector<float> got = run(GetParam(), p, o);
        ASSERT_TRUE(test::same_bits(got, want)) << "activation " << activation << " residual "
                                                << static_cast<int>(residual) << " bias " << bias;
      }
    }
  }
}

TEST_P(GemmS8Level, ColumnSlicesEqualTheWhole) {
  for (const std::int64_t M : {1, 2, 3, 8, 21, 40}) {
    const Problem p = {.M = M, .N = 500, .K = 37, .activation = Activation::kGelu};
    const Operands o(p, 8);
    const std::vector<float> whole = run(GetParam(), p, o);
    for (const std::int64_t panels : {1, 2, 3, 5}) {
      ASSERT_TRUE(test::same_bits(run(GetParam(), p, o, panels), whole)) << "panels " << panels;
    }
  }
}

TEST_P(GemmS8Level, RowsDoNotDependOnTheirNeighbours) {
  const Problem p = {.M = 37, .N = 100, .K = 77};
  const Operands o(p, 9);
  const std::vector<float> whole = run(GetParam(), p, o);
  for (std::int64_t m = 0; m < p.M; ++m) {
    const Problem one = {.M = 1, .N = p.N, .K = p.K};
    Operands alone(one, 9);
    std::copy_n(o.x.data() + m * padded_k(p.K), p.K, alone.x.data());
    alone.w = o.w;
    alone.x_scale[0] = o.x_scale.data()[m];
    std::copy_n(o.w_scale.data(), p.N, alone.w_scale.data());
    std::copy_n(o.bias.data(), p.N, alone.bias.data());
    const std::span row =
        std::span(whole).subspan(static_cast<std::size_t>(m * p.N), static_cast<std::size_t>(p.N));
    ASSERT_TRUE(test::same_bits(run(GetParam(), one, alone), row)) << "row " << m;
  }
}

TEST_P(GemmS8Level, LeavesTheGapsBetweenRowsAlone) {
  const Problem p = {.M = 9, .N = 50, .K = 4, .slack = 7};
  const Operands o(p, 10);
  const std::vector<float> y = run(GetParam(), p, o);
  for (std::int64_t m = 0; m + 1 < p.M; ++m) {
    for (std::int64_t n = p.N; n < p.ldy(); ++n) {
      ASSERT_EQ(y[static_cast<std::size_t>(m * p.ldy() + n)], kUntouched);
    }
  }
}

TEST_P(GemmS8Level, ARowWithoutScaleIsNotANumberAndAloneInThat) {
  const Problem p = {.M = 10, .N = 51, .K = 130};
  Operands o(p, 11);
  o.x_scale[4] = test::kNan;
  const std::vector<float> got = run(GetParam(), p, o);
  ASSERT_TRUE(test::same_bits(got, run(Isa::kReference, p, o)));
  for (std::int64_t m = 0; m < p.M; ++m) {
    for (std::int64_t n = 0; n < p.N; ++n) {
      ASSERT_EQ(std::isnan(got[static_cast<std::size_t>(m * p.N + n)]), m == 4);
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
      for (float& v : o.bias.span()) v = rng() % 4 == 0 ? -kOdd[rng() % 5] : v;
      ASSERT_TRUE(test::same_bits(run(GetParam(), p, o), run(Isa::kReference, p, o)));
    }
  }
}

TEST_P(GemmS8Level, SameBitsOnRandomProblems) {
  Rng rng(12);
  for (int i = 0; i < 400; ++i) {
    const auto upto = [&rng](std::uint64_t n) { return static_cast<std::int64_t>(1 + rng() % n); };
    const Problem p = {.M = upto(rng() % 4 == 0 ? 140 : 40),
                       .N = upto(rng() % 4 == 0 ? 400 : 60),
                       .K = upto(rng() % 8 == 0 ? 2000 : 200),
                       .with_bias = rng() % 2 == 0,
                       .residual_kind = static_cast<Residual>(rng() % 3),
                       .activation = static_cast<Activation>(rng() % 9),
                       .slack = upto(20) - 1,
                       .guard = static_cast<test::Guard>(rng() % 2)};
    ASSERT_TRUE(level_is_reference(GetParam(), p, rng()));
  }
}

INSTANTIATE_TEST_SUITE_P(EveryLevel, GemmS8Level, testing::ValuesIn(test::levels()),
                         test::level_name);

}  // namespace
}  // namespace linnet::kernels
