#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "tests/kernels/product.h"

namespace linnet::kernels {
namespace {

using test::GuardedBuffer;
using test::Problem;
using test::Residual;
using test::Rng;

struct Product {
  struct Operands {
    GuardedBuffer<float> x, w;  // [M, K], [N, K]
    test::Epilogue epilogue;

    Operands(const Problem& p, std::uint64_t seed) : Operands(p, Rng(seed)) {}
    Operands(const Problem& p, Rng rng)
        : x(static_cast<std::size_t>(p.M * p.K), p.guard),
          w(static_cast<std::size_t>(p.N * p.K), p.guard),
          epilogue(p, rng) {
      test::fill_mixed(x.span(), rng);
      test::fill_mixed(w.span(), rng);
    }
  };

  static std::vector<float> run(Isa isa, const Problem& p, const Operands& o,
                                std::int64_t panels = test::kAllSteps) {
    const KernelTable table = make_table(isa);
    const std::int64_t columns = (p.N + 15) / 16 * 16, K32 = padded_k_bf16(p.K),
                       ldx = K32 + p.slack;
    GuardedBuffer<std::uint16_t> packed(static_cast<std::size_t>(columns * K32), p.guard);
    table.pack_bf16(packed.data(), o.w.data(), p.K, 1, p.K, 0, p.N);
    GuardedBuffer<std::uint16_t> x(test::span_of(p.M, K32, ldx), p.guard);
    table.round_rows_bf16(x.data(), ldx, o.x.data(), p.K, p.M, p.K);
    test::Result y(p, o.epilogue);
    auto a = y.arguments<GemmBf16Args>();
    a.x = x.data(), a.ldx = ldx;
    a.w = packed.data();
    test::in_slices(p.N, panels * kPanelBf16, [&](std::int64_t begin, std::int64_t end) {
      a.n_begin = begin, a.n_end = end;
      table.gemm_bf16(a);
    });
    return y.values();
  }
};
using Operands = Product::Operands;

/// Half to even at the seventh bit of the fraction, in arithmetic rather than on bits; the data is
/// normal.
double rounded(float x) {
  int exponent = 0;
  const double fraction = std::frexp(x, &exponent);  // 0.5 .. 1: eight bits are kept
  return std::ldexp(std::nearbyint(std::ldexp(fraction, 8)), exponent - 8);
}

std::vector<double> rounded(const GuardedBuffer<float>& x) {
  std::vector<double> y;
  for (std::size_t i = 0; i < x.size(); ++i) y.push_back(rounded(x.data()[i]));
  return y;
}

/// With the rounding of the epilogue and two roundings for each of the K terms: each is half an ulp
/// of a partial sum, which the sum of magnitudes bounds. GELU and ReLU do not grow differences by
/// more than 1.13.
testing::AssertionResult level_is_formula(Isa isa, const Problem& p, std::uint64_t seed) {
  const Operands o(p, seed);
  const std::vector<float> y = Product::run(isa, p, o);
  const std::vector<double> x = rounded(o.x), w = rounded(o.w);
  for (std::int64_t m = 0; m < p.M; ++m) {
    for (std::int64_t n = 0; n < p.N; ++n) {
      double sum = p.with_bias ? double{o.epilogue.bias.data()[n]} : 0.0, magnitude = std::abs(sum);
      const double *row = x.data() + m * p.K, *column = w.data() + n * p.K;
      for (std::int64_t k = 0; k < p.K; ++k) {
        sum += row[k] * column[k];
        magnitude += std::abs(row[k] * column[k]);
      }
      if (p.activation == Activation::kRelu) sum = std::max(sum, 0.0);
      if (p.activation == Activation::kGelu) sum = sum / 2 * (1 + std::erf(sum / std::sqrt(2.0)));
      if (p.residual_kind != Residual::kNone) {
        const double residual = o.epilogue.residual.data()[m * p.ldr() + n];
        sum += residual;
        magnitude += std::abs(residual);
      }
      constexpr double kEps = std::numeric_limits<float>::epsilon();
      const double bound = 1.13 * static_cast<double>(p.K + 4) * kEps * magnitude;
      const double found = y[p.at(m, n)];
      if (!(std::abs(found - sum) <= bound)) {
        return test::in(testing::AssertionFailure() << found << " at " << m << ", " << n
                                                    << ", expected " << sum << " within " << bound,
                        p);
      }
    }
  }
  return test::in(test::gaps_are_untouched(p, y), p);
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

TEST_P(GemmBf16Level, ColumnSlicesEqualTheWhole) {
  test::column_slices_equal_the_whole<Product>(GetParam());
}

TEST_P(GemmBf16Level, EpilogueIsBiasThenActivationThenResidual) {
  test::epilogue_is_in_order<Product>(GetParam());
}

// One order of the sums for every number of rows: decoding gives the same bits in any batch.
TEST_P(GemmBf16Level, ARowComesOutTheSameInAnyCompany) {
  const Problem p{37, 115, 333};
  const Operands o(p, 9);
  const std::vector<float> whole = Product::run(GetParam(), p, o);
  for (const std::int64_t rows : {1, 2, 3, 4, 8, 9, 17}) {
    for (std::int64_t m = 0; m + rows <= p.M; m += 5) {
      const Problem few{rows, p.N, p.K};
      Operands part(few, 9);
      std::copy_n(o.x.data() + m * p.K, rows * p.K, part.x.data());
      std::copy_n(o.w.data(), p.N * p.K, part.w.data());
      std::copy_n(o.epilogue.bias.data(), p.N, part.epilogue.bias.data());
      const std::span of_whole = std::span(whole).subspan(static_cast<std::size_t>(m * p.N),
                                                          static_cast<std::size_t>(rows * p.N));
      ASSERT_TRUE(test::same_bits(Product::run(GetParam(), few, part), of_whole))
          << rows << " rows from row " << m;
    }
  }
}

// A sequence's rows do not depend on what else is in the batch.
TEST_P(GemmBf16Level, RowsThatAreNotFiniteStayAlone) {
  const Problem p{19, 50, 40};
  Operands o(p, 7);
  const auto clean = Product::run(GetParam(), p, o);
  o.x.data()[3 * p.K + 11] = std::numeric_limits<float>::quiet_NaN();
  o.x.data()[8 * p.K + 39] = std::numeric_limits<float>::infinity();
  o.x.data()[17 * p.K] = 3.4e38f;  // rounds to infinity
  const auto dirty = Product::run(GetParam(), p, o);
  for (std::int64_t m = 0; m < p.M; ++m) {
    for (std::int64_t n = 0; n < p.N; ++n) {
      const std::size_t i = p.at(m, n);
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
