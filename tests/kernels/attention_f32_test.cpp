#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <vector>

#include "tests/kernels/head.h"

namespace linnet::kernels {
namespace {

using test::Head;
using test::Rng;

struct Op {
  using Args = AttentionF32Args;
  static AttentionF32 of(Isa isa) { return make_table(isa).attention_f32; }
};

template <class... Queries>
std::vector<float> run(Isa isa, const Head& h, Queries... queries) {
  return test::attend<Op>(isa, h, queries...);
}

class AttentionF32Level : public testing::TestWithParam<Isa> {};

TEST_P(AttentionF32Level, MatchesOracle) {
  for (const auto& [keys, width] :
       {std::pair<std::int64_t, std::int64_t>{1, 64}, {5, 3}, {40, 32}, {131, 64}, {300, 17}}) {
    Head h{keys, width};
    Rng rng(1);
    test::fill_uniform(h.qkv.span(), -2, 2, rng);
    const std::vector<float> y = run(GetParam(), h);
    for (std::int64_t i = 0; i < keys; ++i) {
      std::vector<double> s(static_cast<std::size_t>(keys));
      double max = -1e300, sum = 0;
      for (std::int64_t j = 0; j < keys; ++j) {
        double& score = s[static_cast<std::size_t>(j)];
        for (std::int64_t d = 0; d < width; ++d) {
          score += double{h.q()[i * h.ld() + d]} * h.k()[j * h.ld() + d];
        }
        score *= h.scale();
        max = std::max(max, score);
      }
      for (double& score : s) sum += score = std::exp(score - max);
      for (std::int64_t d = 0; d < width; ++d) {
        double want = 0, magnitude = 0;
        for (std::int64_t j = 0; j < keys; ++j) {
          const double term = s[static_cast<std::size_t>(j)] / sum * h.v()[j * h.ld() + d];
          want += term;
          magnitude += std::abs(term);
        }
        // A score of `width` products of at most 4, times the scale, has an error of at most
        // width·2^-24·4·sqrt(width), and so has the logarithm of each weight; keys + 12 roundings
        // more.
        const auto w = static_cast<double>(width), S = static_cast<double>(keys);
        const double bound = (2 * w * 4 * std::sqrt(w) + S + S / 16 + 12) * test::kEps * magnitude;
        ASSERT_NEAR(y[static_cast<std::size_t>(i * width + d)], want, bound)
            << "keys " << keys << " width " << width << " query " << i << " column " << d;
      }
    }
  }
}

TEST_P(AttentionF32Level, SameBitsForEveryLength) {
  test::same_bits_for_every_length<Op>(GetParam());
}

TEST_P(AttentionF32Level, SameBitsForEveryHeadWidth) {
  test::same_bits_for_every_head_width<Op>(GetParam());
}

TEST_P(AttentionF32Level, SameBitsForLongSequences) {
  test::same_bits_for_long_sequences<Op>(GetParam());
}

TEST_P(AttentionF32Level, QueriesDoNotDependOnTheirSplit) {
  test::queries_do_not_depend_on_their_split<Op>(GetParam());
}

TEST_P(AttentionF32Level, AloneEqualsPacked) { test::alone_equals_packed<Op>(GetParam()); }

TEST_P(AttentionF32Level, NonFiniteNumbersAsInTheReference) {
  test::non_finite_numbers_as_in_the_reference<Op>(GetParam());
}

TEST_P(AttentionF32Level, SameBitsOnRandomHeads) {
  test::same_bits_on_random_heads<Op>(GetParam());
}

/// Fills `to` with the first rows of `from`, of the same width and slack.
void copy_first(Head& to, const Head& from) {
  std::copy_n(from.qkv.data(), to.qkv.size(), to.qkv.data());
}

TEST_P(AttentionF32Level, CausalQueryIsTheLastOfItsKeys) {
  Rng rng(9);
  for (const auto& [keys, width] :
       {std::pair<std::int64_t, std::int64_t>{1, 64}, {7, 3}, {40, 32}, {67, 64}, {100, 17}}) {
    Head h{keys, width, 2, true};
    test::fill_mixed(h.qkv.span(), rng);
    const std::vector<float> y = run(GetParam(), h);
    for (std::int64_t i = 0; i < keys; ++i) {
      const std::vector<float> row(y.begin() + i * width, y.begin() + (i + 1) * width);
      Head alone{i + 1, width, h.slack};
      copy_first(alone, h);
      ASSERT_TRUE(test::same_bits(row, run(Isa::kReference, alone, i, i + 1)))
          << "keys " << keys << " width " << width << " query " << i;
    }
  }
}

TEST_P(AttentionF32Level, CausalKeysThatAreNotSeenDoNotExist) {
  // A NaN, an infinity or a zero of either sign in a later key or value changes no earlier row.
  Rng rng(11);
  for (const float odd : {test::kNan, test::kInf, -test::kInf, -0.0f}) {
    Head h{29, 19, 0, true};
    test::fill_mixed(h.qkv.span(), rng);
    const std::vector<float> before = run(GetParam(), h);
    for (std::int64_t j = 1; j < h.keys; ++j) {
      Head changed{h.keys, h.width, 0, true};
      copy_first(changed, h);
      float* row = changed.qkv.data() + j * changed.ld();
      std::fill(row, row + 3 * h.width, odd);
      const std::vector<float> after = run(GetParam(), changed);
      ASSERT_TRUE(std::equal(after.begin(), after.begin() + j * h.width, before.begin()))
          << "key " << j << " of " << odd;
    }
  }
}

TEST_P(AttentionF32Level, KeysAndValuesMayLieElsewhere) {
  // Queries 20 .. 28 in a matrix of their own, keys and values in a cache with wider rows.
  Rng rng(12);
  Head h{29, 33, 0, true};
  test::fill_mixed(h.qkv.span(), rng);
  const std::int64_t begin = 20, ld_kv = 2 * h.width + 7;
  std::vector<float> q, cache(static_cast<std::size_t>(h.keys * ld_kv));
  for (std::int64_t i = 0; i < h.keys; ++i) {
    if (i >= begin) q.insert(q.end(), h.q() + i * h.ld(), h.q() + i * h.ld() + h.width);
    std::copy_n(h.k() + i * h.ld(), 2 * h.width, cache.begin() + i * ld_kv);
  }
  const AttentionF32 attention = Op::of(GetParam());
  test::Scratch scratch(attention.scratch_floats(h.keys, h.width));
  std::vector<float> y(q.size());
  auto a = test::arguments_of<AttentionF32Args>(h, begin, h.keys);
  a.y = y.data() - begin * h.width, a.ldy = h.width;
  a.q = q.data() - begin * h.width, a.ld_qkv = h.width;
  a.k = cache.data(), a.v = cache.data() + h.width, a.ld_kv = ld_kv;
  a.scratch = scratch.data();
  attention.run(a);
  ASSERT_TRUE(test::same_bits(y, run(GetParam(), h, begin, h.keys)));
}

/// The keys of h in panels; the lanes behind the last one hold NaN.
std::vector<float> panels_of(const Head& h) {
  const std::int64_t panels = (h.keys + kKeyPanel - 1) / kKeyPanel;
  std::vector<float> k(static_cast<std::size_t>(panels * h.width * kKeyPanel), test::kNan);
  for (std::int64_t j = 0; j < h.keys; ++j) {
    for (std::int64_t d = 0; d < h.width; ++d) {
      k[static_cast<std::size_t>((j / kKeyPanel * h.width + d) * kKeyPanel + j % kKeyPanel)] =
          h.k()[j * h.ld() + d];
    }
  }
  return k;
}

TEST_P(AttentionF32Level, KeysMayStandInPanels) {
  Rng rng(13);
  for (const std::int64_t keys : {1, 2, 15, 16, 17, 31, 47, 48, 49, 128, 129, 200, 300}) {
    for (const std::int64_t width : {1, 17, 32, 64, 80, 100}) {
      Head h{keys, width, 0, true};
      test::fill_mixed(h.qkv.span(), rng);
      const std::vector<float> panels = panels_of(h);
      const AttentionF32 attention = Op::of(GetParam());
      for (const std::int64_t begin : {std::int64_t{0}, keys / 2, keys - 1}) {
        test::Scratch scratch(attention.scratch_floats(keys, width));
        std::vector<float> y(static_cast<std::size_t>((keys - begin) * width));
        auto a = test::arguments_of<AttentionF32Args>(h, begin, keys);
        a.y = y.data() - begin * width, a.ldy = width;
        a.k = panels.data(), a.k_in_panels = true;
        a.scratch = scratch.data();
        attention.run(a);
        ASSERT_TRUE(test::same_bits(y, run(Isa::kReference, h, begin, keys)))
            << keys << " keys of " << width << ", queries from " << begin;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(EveryLevel, AttentionF32Level, testing::ValuesIn(test::levels()),
                         test::level_name);

}  // namespace
}  // namespace linnet::kernels
