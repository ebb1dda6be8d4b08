#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "tests/kernels/levels.h"
#include "tests/support/guarded_buffer.h"

namespace linnet::kernels {
namespace {

using test::GuardedBuffer;
using test::Rng;

struct Case {
  std::int64_t K;
  RowTransform f;
  bool scaled;  // with a vector r
};

/// Every transform that suits a width, at widths of models and around the padding.
std::vector<Case> cases() {
  std::vector<Case> all;
  for (const std::int64_t K : {1, 15, 17, 63, 64, 65, 100, 128, 192, 250, 256, 384, 500, 512, 768,
                               1023, 1024, 1536, 3072}) {
    const std::int64_t vectors = padded_k(K) / 16;
    for (std::int32_t n = 0; n <= 32; n = n == 0 ? 1 : 2 * n) {
      if (n != 0 && vectors % n != 0) continue;
      const bool divides = n != 0 && vectors / n % 3 == 0;
      for (const bool thirds : {false, true}) {
        for (const bool in_lane : {false, true}) {
          for (const bool scaled : {false, true}) {
            if ((thirds && !divides) || (in_lane && n == 0)) continue;
            all.push_back({K, {.n = n, .thirds = thirds, .in_lane = in_lane}, scaled});
          }
        }
      }
    }
  }
  return all;
}

std::string to_string(const Case& c) {
  return "K " + std::to_string(c.K) + " n " + std::to_string(c.f.n) +
         (c.f.thirds ? " thirds" : "") + (c.f.in_lane ? " in-lane" : "") + (c.scaled ? " r" : "");
}

/// y [3, padded_k(K)] of three rows, out of guarded memory into guarded memory.
std::vector<float> run(Isa isa, const Case& c, std::span<const float> x, std::span<const float> r) {
  const std::int64_t M = 3, ldx = c.K + 2, ldy = padded_k(c.K);
  GuardedBuffer<float> in(x.size()), y(static_cast<std::size_t>(M * ldy)), factors(r.size());
  std::copy(x.begin(), x.end(), in.data());
  std::copy(r.begin(), r.end(), factors.data());
  TransformRowsF32Args a = {.y = y.data(), .ldy = ldy, .x = in.data(), .ldx = ldx};
  a.M = M, a.K = c.K, a.transform = c.f;
  if (c.scaled) a.transform.r = factors.data();
  make_table(isa).transform_rows_f32(a);
  return {y.span().begin(), y.span().end()};
}

struct Operands {
  std::vector<float> x, r;
};
Operands operands(const Case& c, Rng& rng) {
  Operands o = {std::vector<float>(static_cast<std::size_t>(2 * (c.K + 2) + c.K)),
                std::vector<float>(static_cast<std::size_t>(c.K))};
  test::fill_mixed(o.x, rng);
  test::fill_mixed(o.r, rng);
  return o;
}

class TransformRowsF32Level : public testing::TestWithParam<Isa> {};

TEST_P(TransformRowsF32Level, IsTheReference) {
  Rng rng(1);
  for (const Case& c : cases()) {
    const Operands o = operands(c, rng);
    ASSERT_TRUE(test::same_bits(run(GetParam(), c, o.x, o.r), run(Isa::kReference, c, o.x, o.r)))
        << to_string(c);
  }
}

TEST_P(TransformRowsF32Level, NonFiniteNumbersStayInTheirRow) {
  Rng rng(2);
  for (const Case& c : cases()) {
    Operands o = operands(c, rng);
    o.x[static_cast<std::size_t>(c.K + 2)] = rng() % 2 == 0 ? test::kNan : test::kInf;
    const std::vector<float> got = run(GetParam(), c, o.x, o.r);
    ASSERT_TRUE(test::same_bits(got, run(Isa::kReference, c, o.x, o.r))) << to_string(c);
    const auto P = static_cast<std::ptrdiff_t>(padded_k(c.K));
    const auto finite = [](float v) { return std::isfinite(v); };
    EXPECT_TRUE(std::all_of(got.begin(), got.begin() + P, finite)) << to_string(c);
    EXPECT_FALSE(std::all_of(got.begin() + P, got.begin() + 2 * P, finite)) << to_string(c);
    EXPECT_TRUE(std::all_of(got.begin() + 2 * P, got.end(), finite)) << to_string(c);
  }
}

/// Element (row, column) of the matrix of a transform without r, by its definition: the sign of a
/// Hadamard matrix is the parity of the common bits of its indices.
double entry(const RowTransform& f, std::int64_t K64, std::int64_t row, std::int64_t column) {
  const auto hadamard = [](std::int64_t i, std::int64_t j) {
    return __builtin_popcountll(static_cast<unsigned long long>(i & j)) % 2 == 0 ? 1.0 : -1.0;
  };
  const std::int64_t block = 16 * f.n, T = f.thirds ? K64 / 3 : K64;
  // What of `column` reaches `row` through each of the thirds.
  if (row % T / block != column % T / block) return 0;
  double v = hadamard(row % block / 16, column % block / 16);
  if (f.thirds) v *= (row / T == column / T ? 1.0 : 0.0) - 2.0 / 3.0;
  if (f.in_lane) return v * hadamard(row % 16, column % 16);
  return row % 16 == column % 16 ? v : 0;
}

TEST_P(TransformRowsF32Level, IsTheMatrix) {
  Rng rng(3);
  for (const Case& c : cases()) {
    if (c.K > 800 || c.f.n == 0) continue;
    const Operands o = operands(c, rng);
    const std::vector<float> got = run(GetParam(), c, o.x, o.r);
    const std::int64_t K64 = padded_k(c.K);
    for (std::int64_t row = 0; row < K64; ++row) {
      double want = 0, magnitude = 0;
      for (std::int64_t k = 0; k < c.K; ++k) {
        const auto i = static_cast<std::size_t>(k);
        const double term = entry(c.f, K64, row, k) * o.x[i] * (c.scaled ? double{o.r[i]} : 1.0);
        want += term, magnitude += std::abs(term);
      }
      // r, log2(n) butterflies, 3 roundings of the thirds and of the constant, 4 steps in lane; a
      // third may cancel what the other parts of its sum have rounded.
      const double roundings = 1 + std::log2(c.f.n) + 5 + 4;
      double spread = magnitude;
      if (c.f.thirds) spread *= 3;
      ASSERT_NEAR(got[static_cast<std::size_t>(row)], want, roundings * test::kEps * spread)
          << to_string(c) << " element " << row;
    }
  }
}

TEST_P(TransformRowsF32Level, QuantisersTransformFirst) {
  Rng rng(4);
  const KernelTable table = make_table(GetParam());
  for (const Case& c : cases()) {
    const Operands o = operands(c, rng);
    const std::int64_t K64 = padded_k(c.K);
    const std::vector<float> rotated = run(Isa::kReference, c, o.x, o.r);
    const auto bytes = static_cast<std::size_t>(3 * K64);
    std::vector<std::uint8_t> want(bytes), got(bytes);
    std::vector<float> want_scale(3), got_scale(3);
    QuantizeRowsS8Args a = {.q = want.data(), .ldq = K64, .scale = want_scale.data()};
    a.x = rotated.data(), a.ldx = K64, a.M = 3, a.K = K64, a.shift = 128;
    make_table(Isa::kReference).quantize_rows_s8(a);
    GuardedBuffer<float> scratch(static_cast<std::size_t>(K64));
    a.q = got.data(), a.scale = got_scale.data();
    a.x = o.x.data(), a.ldx = c.K + 2, a.K = c.K;
    a.transform = c.f, a.scratch = scratch.data();
    if (c.scaled) a.transform.r = o.r.data();
    table.quantize_rows_s8(a);
    ASSERT_EQ(got, want) << to_string(c);
    ASSERT_TRUE(test::same_bits(got_scale, want_scale)) << to_string(c);
  }
}

TEST_P(TransformRowsF32Level, LayerNormTransformsOnlyWhatItQuantises) {
  Rng rng(5);
  const std::int64_t D = 384;
  const RowTransform f = {.n = 8, .thirds = true};
  std::vector<float> x(3 * 384), gamma(384), beta(384), scratch(384), y(x.size()), want_y(x.size());
  test::fill_mixed(x, rng);
  test::fill_mixed(gamma, rng);
  test::fill_mixed(beta, rng);
  std::vector<std::uint8_t> q(x.size()), want(x.size());
  std::vector<float> scale(3), want_scale(3);
  LayerNormS8Args a = {.y = y.data(), .q = q.data(), .ldq = D, .scale = scale.data()};
  a.x = x.data(), a.gamma = gamma.data(), a.beta = beta.data(), a.M = 3, a.D = D, a.eps = 1e-5f;
  a.transform = f, a.scratch = scratch.data();
  make_table(GetParam()).layer_norm_s8(a);
  const KernelTable reference = make_table(Isa::kReference);
  reference.layer_norm_f32(want_y.data(), nullptr, nullptr, x.data(), gamma.data(), beta.data(), 3,
                           D, 1e-5f);
  QuantizeRowsS8Args b = {.q = want.data(), .ldq = D, .scale = want_scale.data()};
  b.x = want_y.data(), b.ldx = D, b.M = 3, b.K = D, b.transform = f, b.scratch = scratch.data();
  reference.quantize_rows_s8(b);
  EXPECT_TRUE(test::same_bits(y, want_y));
  EXPECT_TRUE(test::same_bits(scale, want_scale));
  EXPECT_EQ(q, want);
}

INSTANTIATE_TEST_SUITE_P(EveryLevel, TransformRowsF32Level, testing::ValuesIn(test::levels()),
                         test::level_name);

}  // namespace
}  // namespace linnet::kernels
