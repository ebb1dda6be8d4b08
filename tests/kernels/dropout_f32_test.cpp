#include <gtest/gtest.h>

#include <vector>

#include "engine/core/random.h"
#include "tests/kernels/levels.h"
#include "tests/support/guarded_buffer.h"

namespace linnet::kernels {
namespace {

// Known answers of the generator's authors (Random123, kat_vectors).
TEST(Philox, GivesTheKnownAnswers) {
  using Words = std::array<std::uint32_t, 4>;
  EXPECT_EQ(philox({}, 0), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  const std::uint32_t ones = 0xffffffff;
  EXPECT_EQ(philox({ones, ones, ones, ones}, ~std::uint64_t{0}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, 0x299f31d0a4093822),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

class DropoutF32 : public testing::TestWithParam<Isa> {
 protected:
  const KernelTable table = make_table(GetParam());
};

// Any cut of the elements into calls gives the mask of the definition.
TEST_P(DropoutF32, IsAFunctionOfTheElement) {
  test::Rng rng(1);
  for (const std::int64_t first : {0, 1, 3, 60, 64, 1000003}) {
    for (const std::int64_t n : test::awkward_sizes()) {
      test::GuardedBuffer<float> x(static_cast<std::size_t>(n));
      test::fill_mixed(x.span(), rng);
      std::vector<float> want(x.data(), x.data() + n);
      const DropoutF32Args a{x.data(), n, first, 7, 8, 9, 0x123456789abcdef0, 1 << 22, 4.0f / 3};
      for (std::int64_t i = 0; i < n; ++i) {
        const auto e = static_cast<std::uint32_t>(first + i);
        const auto words = philox({e / 4, a.sample, a.step, a.stream}, a.seed);
        want[static_cast<std::size_t>(i)] *= words[e % 4] >> 8 < a.threshold ? 0.0f : a.scale;
      }
      table.dropout_f32(a);
      ASSERT_TRUE(test::same_bits(x.span(), want)) << "first " << first << " n " << n;
    }
  }
}

TEST_P(DropoutF32, DropsTheShareThatItIsAskedFor) {
  std::vector<float> x(1 << 20, 1.0f);
  DropoutF32Args a;
  a.x = x.data(), a.n = static_cast<std::int64_t>(x.size());
  a.threshold = 1677722, a.scale = 1 / 0.9f;  // a tenth
  table.dropout_f32(a);
  double sum = 0;
  for (const float v : x) sum += v;
  // The standard deviation of the mean is 0.33 / 1024.
  EXPECT_NEAR(sum / static_cast<double>(x.size()), 1, 1.5e-3);
}

INSTANTIATE_TEST_SUITE_P(EveryLevel, DropoutF32, testing::ValuesIn(test::levels()),
                         test::level_name);

}  // namespace
}  // namespace linnet::kernels
