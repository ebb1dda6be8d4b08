#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
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

  std::int64_t ldx() const { return padded_k_bf16(K) + slack; }
  std::int64_t ldy() const { return N + 2 * slack; }
  std::int64_t ldr() const { return residual_kind == Residual::kInPlace ? ldy() : N + slack; }
};

std::size_t span_of(std::int64_t rows, std::int64_t cols, std::int64_t ld) {
  return static_cast<std::size_t>((rows - 1) * ld + cols);
}

struct Operands {
  GuardedBuffer<float> x, w, bias, residual;  // [M, K], [N, K], [N], [M, N]

  Operands(const Problem& p, std::uint64_t seed)
      : x(static_cast<std::size_t>(p.M * p.K), p.guard),
        w(static_cast<std::size_t>(p.N * p.K), p.guard),
        bias(static_cast<std::size_t>(p.N), p.guard),
        residual(span_of(p.M, p.N, p.ldr()), p.guard) {
    Rng rng(seed);
    for (GuardedBuffer<float>* b : {&x, &w, &bias, &residual}) test::fill_mixed(b->span(), rng);
  }
};

constexpr float kUntouched = -12345.0f;

/// y [M, ldy], the gaps between rows included. Columns are computed in slices of `panels` panels,
/// the last slice first.
std::vector<float> run(Isa isa, const Problem& p, const Operands& o,
                       std::int64_t panels = 1 << 20) {
  const KernelTable table = make_table(isa);
  const std::int64_t columns = (p.N + 15) / 16 * 16;
  GuardedBuffer<std::uint16_t> packed(static_cast<std::size_t>(columns * padded_k_bf16(p.K)),
                                      p.guard);
  table.pack_bf16(packed.data(), o.w.data(), p.K, 1, p.K, 0, p.N);
  GuardedBuffer<std::uint16_t> x(span_of(p.M, padded_k_bf16(p.K), p.ldx()), p.guard);
  table.round_rows_bf16(x.data(), p.ldx(), o.x.data(), p.K, p.M, p.K);
  GuardedBuffer<float> y(span_of(p.M, p.N, p.ldy()), p.guard);
  std::fill(y.span().begin(), y.span().end(), kUntouched);
  const bool in_place = p.residual_kind == Residual::kInPlace;
  if (in_place) {
    for (std::int64_t m = 0; m < p.M; ++m) {
      std::copy_n(o.residual.data() + m * p.ldr(), p.N, y.data() + m * p.ldy());
    }
  }
  GemmBf16Args a = {.y = y.data(), .ldy = p.ldy(), .x = x.data(), .ldx = p.ldx()};
  a.w = packed.data();
  a.bias = p.with_bias ? o.bias.data() : nullptr;
  if (p.residual_kind != Residual::kNone) a.residual = in_place ? y.data() : o.residual.data();
  a.ld_residual = p.ldr();
  a.activation = p.activation;
  a.M = p.M, a.N = p.N, a.K = p.K;
  const std::int64_t slice = panels * kPanelBf16;
  for (std::int64_t n = (p.N - 1) / slice * slice; n >= 0; n -= slice) {
    a.n_begin = n, a.n_end = std::min(p.N, n + slice);
    table.gemm_bf16(a);
  }
  return {y.span().begin(), y.span().end()};
}

/// Half to even at the seventh bit of the fraction, in arithmetic rather than on bits; the data is
/// normal.
double rounded(float x) {
  int exponent = 0;
  const double fraction = std::frexp(x, &exponent);  // 0.5 .. 1: eight bits are kept
  return std::ldexp(std::nearbyint(std::ldexp(fraction, 8)), exponent - 8);
}

/// With the rounding of the epilogue and two roundings for each of the K terms: each is half an ulp
/// of a partial sum, which the sum of magnitudes bounds. GELU and ReLU do not grow differences by
/// more than 1.13.
testing::AssertionResult level_is_formula(Isa isa, const Problem& p, std::uint64_t seed) {
  const Operands o(p, seed);
  const std::vector<float> y = run(isa, p, o);
  for (std::int64_t m = 0; m < p.M; ++m) {
    for (std::int64_t n = 0; n < p.N; ++n) {
      double sum = p.with_bias ? double{o.bias.data()[n]} : 0.0, magnitude = std::abs(sum);
      for (std::int64_t k = 0; k < p.K; ++k) {
        const double term = rounded(o.x.data()[m * p.K + k]) * rounded(o.w.data()[n * p.K + k]);
        sum += term;
        magnitude += std::abs(term);
      }
      if (p.activation == Activation::kRelu) sum = std::max(sum, 0.0);
      if (p.activation == Activation::kGelu) sum = sum / 2 * (1 + std::erf(sum / std::sqrt(2.0)));
      if (p.residual_kind != Residual::kNone) {
        sum += o.residual.data()[m * p.ldr() + n];
        magnitude += std::abs(o.residual.data()[m * p.ldr() + n]);
      }
      constexpr double kEps = std::numeric_limits<float>::epsilon();
      const double bound = 1.13 * static_cast<double>(p.K + 4) * kEps * magnitude;
      const double found = y[static_cast<std::size_t>(m * p.ldy() + n)];
      if (!(std::abs(found - sum) <= bound)) {
        return testing::AssertionFailure()
               << found << " at " << m << ", " << n << ", expected " << sum << " within " << bound
               << " in M=" << p.M << " N=" << p.N << " K=" << p.K << " slack=" << p.slack;
      }
    }
  }
  for (std::int64_t m = 0; m + 1 < p.M; ++m) {
    for (std::int64_t n = p.N; n < p.ldy(); ++n) {
      if (y[static_cast<std::size_t>(m * p.ldy() + n)] != kUntouched) {
        return testing::AssertionFailure() << "touched beside row " << m;
      }
    }
  }
  return testing::AssertionSuccess();
}

class GemmBf16Level : public testing::TestWithParam<Isa> {};

TEST_P(GemmBf16Level, IsTheFormulaAtEverySize) {
  for (const std::int64_t M : {1, 2, 3, 5, 7, 8, 9, 16, 17, 31, 33}) {
    for (const std::int64_t N : {1, 15, 16, 17, 32, 47, 48, 49, 97, 144}) {
      for (const std::int64_t K : {1, 2, 31, 33, 65}) {
        ASSERT_TRUE(level_is_formula(GetParam(), {M, N, K}, 1));
      }
    }
  }
  ASSERT_TRUE(level_is_formula(GetParam(), {9, 96, 3072}, 2));
  ASSERT_TRUE(level_is_formula(GetParam(), {40, 384, 384}, 3));
}

TEST_P(GemmBf16Level, EpilogueStridesAndGuardsBefore) {
  for (const Residual residual : {Residual::kNone, Residual::kApart, Residual::kInPlace}) {
    for (const Activation activation : {Activation::kNone, Activation::kRelu, Activation::kGelu}) {
      for (const std::int64_t M : {1, 6, 19, 37}) {
        for (const bool bias : {false, true}) {
          Problem p{M, 77, 45, bias, residual, activation, 5, test::Guard::kBefore};
          ASSERT_TRUE(level_is_formula(GetParam(), p, 4));
          p.guard = test::Guard::kAfter;
          ASSERT_TRUE(level_is_formula(GetParam(), p, 5));
        }
      }
    }
  }
}

TEST_P(GemmBf16Level, SlicesOfColumnsGiveTheSameBytes) {
  const Problem p{21, 48 * 5 + 13, 70};
  const Operands o(p, 6);
  const auto whole = run(GetParam(), p, o);
  for (const std::int64_t panels : {1, 2, 3}) {
    EXPECT_TRUE(test::same_bits(run(GetParam(), p, o, panels), whole)) << panels;
  }
}

// A sequence's rows do not depend on what else is in the batch.
TEST_P(GemmBf16Level, RowsThatAreNotFiniteStayAlone) {
  const Problem p{19, 50, 40};
  Operands o(p, 7);
  const auto clean = run(GetParam(), p, o);
  o.x.data()[3 * p.K + 11] = std::numeric_limits<float>::quiet_NaN();
  o.x.data()[8 * p.K + 39] = std::numeric_limits<float>::infinity();
  o.x.data()[17 * p.K] = 3.4e38f;  // rounds to infinity
  const auto dirty = run(GetParam(), p, o);
  for (std::int64_t m = 0; m < p.M; ++m) {
    for (std::int64_t n = 0; n < p.N; ++n) {
      const auto i = static_cast<std::size_t>(m * p.ldy() + n);
      if (m == 3) {
        ASSERT_TRUE(std::isnan(dirty[i]));
      } else if (m == 8 || m == 17) {
        ASSERT_FALSE(std::isfinite(dirty[i]));
      } else {
        ASSERT_EQ(std::bit_cast<std::uint32_t>(dirty[i]), std::bit_cast<std::uint32_t>(clean[i]));
      }
    }
  }
}

TEST_P(GemmBf16Level, NothingToDo) {
  GemmBf16Args a;
  a.N = 48, a.K = 4, a.n_end = 48;
  make_table(GetParam()).gemm_bf16(a);  // M = 0: no access
}

TEST_P(GemmBf16Level, RoundsAndPacksAsTheReference) {
  const KernelTable table = make_table(GetParam()), reference = make_table(Isa::kReference);
  const std::vector<std::uint32_t> special = {
      0x00000000, 0x80000000, 0x00000001, 0x007FFFFF, 0x807FFFFF, 0x00800000, 0x3F800000,
      0x3F808000, 0x3F818000, 0x3F807FFF, 0x3F808001, 0x7F7FFFFF, 0xFF7F8000, 0x7F7F7FFF,
      0x7F800000, 0xFF800000, 0x7FC00000, 0x7F800001, 0xFFFFFFFF, 0x7FFF8000};
  Rng rng(8);
  for (const std::int64_t K : {1, 5, 15, 16, 17, 31, 32, 33, 100}) {
    constexpr std::int64_t kRows = 50;
    const std::int64_t ld = padded_k_bf16(K);
    GuardedBuffer<float> x(static_cast<std::size_t>(kRows * K));
    for (float& v : x.span()) {
      const auto r = static_cast<std::size_t>(rng() % 64);
      v = r < special.size() ? std::bit_cast<float>(special[r])
                             : std::bit_cast<float>(static_cast<std::uint32_t>(rng()));
    }
    const auto rows = static_cast<std::size_t>(kRows * ld),
               columns = static_cast<std::size_t>(64 * ld);
    GuardedBuffer<std::uint16_t> found(rows), packed(columns);
    std::vector<std::uint16_t> want(rows), want_packed(columns);
    table.round_rows_bf16(found.data(), ld, x.data(), K, kRows, K);
    reference.round_rows_bf16(want.data(), ld, x.data(), K, kRows, K);
    EXPECT_TRUE(std::equal(want.begin(), want.end(), found.data())) << "K=" << K;
    // w [N, K], w [K, N], and every third column of a w [K, N]; the last panel comes first.
    for (const auto& [N, stride_n, stride_k] :
         {std::array{kRows, K, std::int64_t{1}}, std::array{kRows, std::int64_t{1}, kRows},
          std::array{std::int64_t{16}, std::int64_t{3}, kRows}}) {
      std::fill(packed.span().begin(), packed.span().end(), std::uint16_t{1});
      std::fill(want_packed.begin(), want_packed.end(), std::uint16_t{1});
      for (std::int64_t n = (N - 1) / kPanelBf16 * kPanelBf16; n >= 0; n -= kPanelBf16) {
        table.pack_bf16(packed.data(), x.data(), stride_n, stride_k, K, n,
                        std::min(N, n + kPanelBf16));
      }
      reference.pack_bf16(want_packed.data(), x.data(), stride_n, stride_k, K, 0, N);
      EXPECT_TRUE(std::equal(want_packed.begin(), want_packed.end(), packed.data()))
          << "K=" << K << " strides " << stride_n << ", " << stride_k;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(EveryLevel, GemmBf16Level, testing::ValuesIn(test::levels()),
                         [](const auto& p) { return std::string(name(p.param)); });

}  // namespace
}  // namespace linnet::kernels
