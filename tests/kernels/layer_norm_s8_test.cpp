#include <gtest/gtest.h>

#include <algorithm>
#include <tuple>
#include <vector>

#include "tests/kernels/levels.h"
#include "tests/support/guarded_buffer.h"

namespace linnet::kernels {
namespace {

using test::GuardedBuffer;
using test::Rng;

struct Result {
  std::vector<float> y, scale;
  std::vector<std::uint8_t> q;  // [M, padded_k(D)]
};

class LayerNormS8 : public testing::TestWithParam<std::tuple<Isa, std::int64_t>> {
 protected:
  static constexpr std::int64_t kM = 7;  // one block of four rows, then three
  static constexpr float kEps = 1e-5f;
  const Isa isa = std::get<0>(GetParam());
  const std::int64_t D = std::get<1>(GetParam());
  const std::int64_t ldq = padded_k(D);
  const std::size_t n = static_cast<std::size_t>(D);
  GuardedBuffer<float> x{kM * n}, gamma{n}, beta{n};

  void SetUp() override {
    Rng rng(11);
    test::fill_mixed(x.span(), rng);
    test::fill_mixed(gamma.span(), rng);
    test::fill_mixed(beta.span(), rng);
  }
  LayerNormS8Args args(Result& r, std::uint8_t shift) {
    LayerNormS8Args a = {.y = r.y.data(), .q = r.q.data(), .ldq = ldq, .scale = r.scale.data()};
    a.x = x.data(), a.gamma = gamma.data(), a.beta = beta.data();
    a.M = kM, a.D = D, a.eps = kEps, a.shift = shift;
    return a;
  }
  Result empty() const {
    return {std::vector<float>(kM * n), std::vector<float>(kM),
            std::vector<std::uint8_t>(static_cast<std::size_t>(kM * ldq))};
  }
  Result run(std::uint8_t shift, bool in_place = false) {
    GuardedBuffer<float> y(kM * n), scale(kM);
    GuardedBuffer<std::uint8_t> q(static_cast<std::size_t>(kM * ldq));
    Result none;
    LayerNormS8Args a = args(none, shift);
    a.y = in_place ? x.data() : y.data(), a.q = q.data(), a.scale = scale.data();
    make_table(isa).layer_norm_s8(a);
    return {{a.y, a.y + kM * n},
            {scale.span().begin(), scale.span().end()},
            {q.span().begin(), q.span().end()}};
  }
  /// The definition: the two operations of the reference, one after the other.
  Result wanted(std::uint8_t shift) {
    const KernelTable table = make_table(Isa::kReference);
    Result r = empty();
    table.layer_norm_f32(r.y.data(), nullptr, nullptr, x.data(), gamma.data(), beta.data(), kM, D,
                         kEps);
    QuantizeRowsS8Args a = {.q = r.q.data(), .ldq = ldq, .scale = r.scale.data()};
    a.x = r.y.data(), a.ldx = D, a.M = kM, a.K = D, a.shift = shift;
    table.quantize_rows_s8(a);
    return r;
  }
};

void expect_same(const Result& got, const Result& want) {
  EXPECT_TRUE(test::same_bits(got.y, want.y));
  EXPECT_TRUE(test::same_bits(got.scale, want.scale));
  EXPECT_EQ(got.q, want.q);
}

TEST_P(LayerNormS8, IsNormalisationThenQuantisation) {
  for (const std::uint8_t shift : {std::uint8_t{0}, std::uint8_t{128}}) {
    expect_same(run(shift), wanted(shift));
  }
}

TEST_P(LayerNormS8, InPlace) {
  const Result want = wanted(128);
  expect_same(run(128, true), want);
}

TEST_P(LayerNormS8, RowsThatAreNotFiniteOrAreConstantStayInTheirRow) {
  x[0] = test::kNan;
  x[5 * n + n - 1] = -test::kInf;
  for (std::size_t i = 0; i < n; ++i) x[2 * n + i] = 0, x[3 * n + i] = 5;
  const Result got = run(0), want = wanted(0);
  expect_same(got, want);
  for (const std::size_t m : {0u, 5u}) EXPECT_TRUE(got.scale[m] != got.scale[m]) << "row " << m;
  for (const std::size_t m : {1u, 2u, 3u, 4u, 6u}) EXPECT_TRUE(got.scale[m] > 0) << "row " << m;
}

INSTANTIATE_TEST_SUITE_P(EveryLevel, LayerNormS8,
                         testing::Combine(testing::ValuesIn(test::levels()),
                                          testing::ValuesIn(test::awkward_sizes())),
                         [](const auto& p) {
                           return std::string(name(std::get<0>(p.param))) + "_D" +
                                  std::to_string(std::get<1>(p.param));
                         });

}  // namespace
}  // namespace linnet::kernels
