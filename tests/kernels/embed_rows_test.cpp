#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/kernels/levels.h"
#include "tests/support/guarded_buffer.h"

namespace linnet::kernels {
namespace {

using test::GuardedBuffer;
using test::Rng;

constexpr std::int64_t kRows = 4;  // of each table
constexpr std::int32_t kTokens[] = {3, 0, 3, 1, 2}, kTypes[] = {0, 1, 1, 3, 0};
constexpr std::int32_t kPositions[] = {0, 1, 3, 2, 3};
constexpr std::int64_t kM = 5;

/// Tables of rows of D numbers with a gap between them, the last row at a page without access.
struct Tables {
  explicit Tables(std::int64_t width) : D(width) {
    Rng rng(static_cast<std::uint64_t>(width));
    for (GuardedBuffer<float>* t : {&word, &type, &position}) test::fill_mixed(t->span(), rng);
    test::fill_mixed(scale.span(), rng);
    for (std::int8_t& q : word_s8.span()) {
      q = static_cast<std::int8_t>(static_cast<int>(rng() % 255) - 127);
    }
  }
  std::int64_t D, ld = D + 3;
  std::size_t n = static_cast<std::size_t>((kRows - 1) * ld + D);
  GuardedBuffer<float> word{n}, type{n}, position{n}, scale{kRows};
  GuardedBuffer<std::int8_t> word_s8{n};
};

enum class Words { kF32, kS8 };

EmbedRowsArgs args(const Tables& t, Words words, bool typed) {
  EmbedRowsArgs a;
  if (words == Words::kF32) a.word = t.word.data();
  a.word_s8 = t.word_s8.data(), a.word_scale = t.scale.data(), a.ld_word = t.ld;
  a.type = typed ? t.type.data() : nullptr, a.ld_type = t.ld;
  a.position = t.position.data(), a.ld_position = t.ld;
  a.tokens = kTokens, a.types = kTypes, a.positions = kPositions;
  a.M = kM, a.D = t.D;
  return a;
}

std::vector<float> run(Isa isa, EmbedRowsArgs a) {
  GuardedBuffer<float> y(static_cast<std::size_t>((kM - 1) * (a.D + 1) + a.D));
  std::fill(y.span().begin(), y.span().end(), 77.0f);
  a.y = y.data(), a.ldy = a.D + 1;
  make_table(isa).embed_rows(a);
  return {y.span().begin(), y.span().end()};
}

class EmbedRowsLevel : public testing::TestWithParam<Isa> {};

TEST_P(EmbedRowsLevel, IsTheSumInItsOrder) {
  for (const std::int64_t D : test::awkward_sizes()) {
    const Tables t(D);
    for (const Words words : {Words::kF32, Words::kS8}) {
      for (const bool typed : {false, true}) {
        std::vector<float> want(static_cast<std::size_t>((kM - 1) * (D + 1) + D), 77.0f);
        for (std::int64_t m = 0; m < kM; ++m) {
          for (std::int64_t d = 0; d < D; ++d) {
            const auto at = [&](const std::int32_t* ids) {
              return static_cast<std::size_t>(ids[m] * t.ld + d);
            };
            const auto token = static_cast<std::size_t>(kTokens[m]);
            float x = words == Words::kF32 ? t.word.span()[at(kTokens)]
                                           : static_cast<float>(t.word_s8.span()[at(kTokens)]) *
                                                 t.scale.span()[token];
            if (typed) x += t.type.span()[at(kTypes)];
            x += t.position.span()[at(kPositions)];
            want[static_cast<std::size_t>(m * (D + 1) + d)] = x;
          }
        }
        ASSERT_TRUE(test::same_bits(run(GetParam(), args(t, words, typed)), want)) << "D " << D;
      }
    }
  }
}

TEST_P(EmbedRowsLevel, WithoutTypesAllAreTheFirst) {
  const Tables t(33);
  EmbedRowsArgs a = args(t, Words::kS8, true), zeros = a;
  constexpr std::int32_t kZeros[kM] = {};
  a.types = nullptr, zeros.types = kZeros;
  EXPECT_TRUE(test::same_bits(run(GetParam(), a), run(GetParam(), zeros)));
}

TEST_P(EmbedRowsLevel, ScaleThatIsNotFiniteStaysInItsRow) {
  Tables t(20);
  t.scale[1] = test::kNan;
  const std::vector<float> y = run(GetParam(), args(t, Words::kS8, true));
  for (std::size_t m = 0; m < kM; ++m) {
    for (std::size_t d = 0; d < 20; ++d) EXPECT_EQ(std::isnan(y[m * 21 + d]), kTokens[m] == 1);
  }
}

INSTANTIATE_TEST_SUITE_P(EveryLevel, EmbedRowsLevel, testing::ValuesIn(test::levels()),
                         test::level_name);

}  // namespace
}  // namespace linnet::kernels
