#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <vector>

#include "tests/kernels/levels.h"
#include "tests/support/guarded_buffer.h"

namespace linnet::kernels {
namespace {

using test::GuardedBuffer;
using test::Rng;

/// One head of one sequence as it lies in [tokens, 3·D]: q, k and v beside each other.
struct Head {
  std::int64_t keys, width, slack = 0;
  GuardedBuffer<float> qkv{static_cast<std::size_t>((keys - 1) * ld() + 3 * width)};

  std::int64_t ld() const { return 3 * width + slack; }
  const float* q() const { return qkv.data(); }
  const float* k() const { return qkv.data() + width; }
  const float* v() const { return qkv.data() + 2 * width; }
  float scale() const { return 1.0f / std::sqrt(static_cast<float>(width)); }
};

/// 64-byte aligned memory that ends at a guarded page, to the line.
class Scratch {
 public:
  explicit Scratch(std::int64_t floats)
      : buffer_(static_cast<std::size_t>((floats + 15) / 16 * 16)) {
    std::fill(buffer_.span().begin(), buffer_.span().end(), test::kNan);
  }
  float* data() { return buffer_.data(); }

 private:
  GuardedBuffer<float> buffer_;
};

enum class Mask { kNone, kCausal };

/// y [queries, width] of the queries [begin, end).
std::vector<float> run(Isa isa, const Head& h, std::int64_t begin, std::int64_t end,
                       Mask mask = Mask::kNone) {
  const AttentionF32 attention = make_table(isa).attention_f32;
  Scratch scratch(attention.scratch_floats(h.keys, h.width));
  const std::int64_t ldy = h.width + 3;
  GuardedBuffer<float> y(static_cast<std::size_t>((end - begin - 1) * ldy + h.width));
  std::fill(y.span().begin(), y.span().end(), 77.0f);
  attention.run({.y = y.data() - begin * ldy,
                 .ldy = ldy,
                 .q = h.q(),
                 .k = h.k(),
                 .v = h.v(),
                 .ld_qkv = h.ld(),
                 .keys = h.keys,
                 .head_width = h.width,
                 .query_begin = begin,
                 .query_end = end,
                 .scale = h.scale(),
                 .causal = mask == Mask::kCausal,
                 .scratch = scratch.data()});
  std::vector<float> dense;
  for (std::int64_t i = 0; i < end - begin; ++i) {
    for (std::int64_t d = 0; d < ldy; ++d) {
      if (d < h.width) {
        dense.push_back(y.data()[i * ldy + d]);
      } else if (i + 1 < end - begin) {
        EXPECT_EQ(y.data()[i * ldy + d], 77.0f) << "gap of row " << i;
      }
    }
  }
  return dense;
}

std::vector<float> run(Isa isa, const Head& h) { return run(isa, h, 0, h.keys); }

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
  Rng rng(2);
  for (std::int64_t keys = 1; keys <= 100; keys += keys < 70 ? 1 : 7) {
    for (const std::int64_t width : {32, 64}) {
      Head h{keys, width, keys % 3};
      test::fill_uniform(h.qkv.span(), -3, 3, rng);
      ASSERT_TRUE(test::same_bits(run(GetParam(), h), run(Isa::kReference, h)))
          << "keys " << keys << " width " << width;
    }
  }
}

TEST_P(AttentionF32Level, SameBitsForEveryHeadWidth) {
  Rng rng(3);
  for (std::int64_t width = 1; width <= 256; width += width < 70 ? 1 : 31) {
    Head h{21, width, 1};
    test::fill_mixed(h.qkv.span(), rng);
    ASSERT_TRUE(test::same_bits(run(GetParam(), h), run(Isa::kReference, h))) << "width " << width;
  }
}

TEST_P(AttentionF32Level, SameBitsForLongSequences) {
  Rng rng(4);
  for (const auto& [keys, width] :
       {std::pair<std::int64_t, std::int64_t>{512, 64}, {1025, 32}, {4096, 5}}) {
    Head h{keys, width};
    test::fill_uniform(h.qkv.span(), -1, 1, rng);
    ASSERT_TRUE(test::same_bits(run(GetParam(), h, keys - 20, keys),
                                run(Isa::kReference, h, keys - 20, keys)))
        << "keys " << keys;
  }
}

TEST_P(AttentionF32Level, QueriesDoNotDependOnTheirSplit) {
  Rng rng(5);
  Head h{53, 33};
  test::fill_mixed(h.qkv.span(), rng);
  const std::vector<float> whole = run(GetParam(), h);
  for (const std::int64_t step : {1, 2, 5, 8, 13}) {
    std::vector<float> parts;
    for (std::int64_t i = 0; i < h.keys; i += step) {
      const std::vector<float> part = run(GetParam(), h, i, std::min(h.keys, i + step));
      parts.insert(parts.end(), part.begin(), part.end());
    }
    ASSERT_TRUE(test::same_bits(parts, whole)) << "step " << step;
  }
}

TEST_P(AttentionF32Level, AloneEqualsPacked) {
  // Sequences of lengths 1..40 end to end in one matrix, then each in a matrix of its own.
  Rng rng(6);
  constexpr std::int64_t kWidth = 32;
  Head packed{40 * 41 / 2, kWidth};
  test::fill_mixed(packed.qkv.span(), rng);
  std::int64_t start = 0;
  const AttentionF32 attention = make_table(GetParam()).attention_f32;
  for (std::int64_t length = 1; length <= 40; start += length++) {
    Head alone{length, kWidth};
    std::copy_n(packed.qkv.data() + start * packed.ld(), length * alone.ld(), alone.qkv.data());
    std::vector<float> y(static_cast<std::size_t>(length * kWidth));
    Scratch scratch(attention.scratch_floats(length, kWidth));
    const float* q = packed.q() + start * packed.ld();
    attention.run({.y = y.data(),
                   .ldy = kWidth,
                   .q = q,
                   .k = q + kWidth,
                   .v = q + 2 * kWidth,
                   .ld_qkv = packed.ld(),
                   .keys = length,
                   .head_width = kWidth,
                   .query_begin = 0,
                   .query_end = length,
                   .scale = packed.scale(),
                   .scratch = scratch.data()});
    ASSERT_TRUE(test::same_bits(y, run(GetParam(), alone))) << "length " << length;
  }
}

TEST_P(AttentionF32Level, NonFiniteNumbersAsInTheReference) {
  Rng rng(7);
  for (int i = 0; i < 60; ++i) {
    Head h{18, 19};
    test::fill_mixed(h.qkv.span(), rng);
    constexpr float kOdd[] = {test::kNan, test::kInf, -test::kInf, -0.0f, 1e-42f, 3e38f};
    for (int n = 0; n < 3; ++n) h.qkv[rng() % h.qkv.size()] = kOdd[rng() % 6];
    ASSERT_TRUE(test::same_bits(run(GetParam(), h), run(Isa::kReference, h)));
  }
}

TEST_P(AttentionF32Level, SameBitsOnRandomHeads) {
  Rng rng(8);
  for (int i = 0; i < 200; ++i) {
    const auto upto = [&rng](std::uint64_t n) { return static_cast<std::int64_t>(1 + rng() % n); };
    Head h{upto(rng() % 5 == 0 ? 300 : 60), upto(rng() % 5 == 0 ? 256 : 70), upto(9) - 1};
    test::fill_mixed(h.qkv.span(), rng);
    const std::int64_t begin = upto(static_cast<std::uint64_t>(h.keys)) - 1;
    const std::int64_t end = begin + upto(static_cast<std::uint64_t>(h.keys - begin));
    ASSERT_TRUE(
        test::same_bits(run(GetParam(), h, begin, end), run(Isa::kReference, h, begin, end)))
        << "keys " << h.keys << " width " << h.width << " queries " << begin << ".." << end;
  }
}

/// Fills `to` with the first rows of `from`, of the same width and slack.
void copy_first(Head& to, const Head& from) {
  std::copy_n(from.qkv.data(), to.qkv.size(), to.qkv.data());
}

TEST_P(AttentionF32Level, CausalQueryIsTheLastOfItsKeys) {
  Rng rng(9);
  for (const auto& [keys, width] :
       {std::pair<std::int64_t, std::int64_t>{1, 64}, {7, 3}, {40, 32}, {67, 64}, {100, 17}}) {
    Head h{keys, width, 2};
    test::fill_mixed(h.qkv.span(), rng);
    const std::vector<float> y = run(GetParam(), h, 0, keys, Mask::kCausal);
    for (std::int64_t i = 0; i < keys; ++i) {
      const std::vector<float> row(y.begin() + i * width, y.begin() + (i + 1) * width);
      Head alone{i + 1, width, h.slack};
      copy_first(alone, h);
      ASSERT_TRUE(test::same_bits(row, run(Isa::kReference, alone, i, i + 1)))
          << "keys " << keys << " width " << width << " query " << i;
    }
  }
}

TEST_P(AttentionF32Level, CausalSameBitsOnRandomSplits) {
  Rng rng(10);
  for (int i = 0; i < 200; ++i) {
    const auto upto = [&rng](std::uint64_t n) { return static_cast<std::int64_t>(1 + rng() % n); };
    Head h{upto(rng() % 5 == 0 ? 300 : 60), upto(rng() % 5 == 0 ? 256 : 70), upto(9) - 1};
    test::fill_mixed(h.qkv.span(), rng);
    const std::int64_t begin = upto(static_cast<std::uint64_t>(h.keys)) - 1;
    const std::int64_t end = begin + upto(static_cast<std::uint64_t>(h.keys - begin));
    ASSERT_TRUE(test::same_bits(run(GetParam(), h, begin, end, Mask::kCausal),
                                run(Isa::kReference, h, begin, end, Mask::kCausal)))
        << "keys " << h.keys << " width " << h.width << " queries " << begin << ".." << end;
  }
}

TEST_P(AttentionF32Level, CausalKeysThatAreNotSeenDoNotExist) {
  // A NaN, an infinity or a zero of either sign in a later key or value changes no earlier row.
  Rng rng(11);
  for (const float odd : {test::kNan, test::kInf, -test::kInf, -0.0f}) {
    Head h{29, 19};
    test::fill_mixed(h.qkv.span(), rng);
    const std::vector<float> before = run(GetParam(), h, 0, h.keys, Mask::kCausal);
    for (std::int64_t j = 1; j < h.keys; ++j) {
      Head changed{h.keys, h.width};
      copy_first(changed, h);
      float* row = changed.qkv.data() + j * changed.ld();
      std::fill(row, row + 3 * h.width, odd);
      const std::vector<float> after = run(GetParam(), changed, 0, h.keys, Mask::kCausal);
      ASSERT_TRUE(std::equal(after.begin(), after.begin() + j * h.width, before.begin()))
          << "key " << j << " of " << odd;
    }
  }
}

TEST_P(AttentionF32Level, KeysAndValuesMayLieElsewhere) {
  // Queries 20 .. 28 in a matrix of their own, keys and values in a cache with wider rows.
  Rng rng(12);
  Head h{29, 33};
  test::fill_mixed(h.qkv.span(), rng);
  const std::int64_t begin = 20, ld_kv = 2 * h.width + 7;
  std::vector<float> q, cache(static_cast<std::size_t>(h.keys * ld_kv));
  for (std::int64_t i = 0; i < h.keys; ++i) {
    if (i >= begin) q.insert(q.end(), h.q() + i * h.ld(), h.q() + i * h.ld() + h.width);
    std::copy_n(h.k() + i * h.ld(), 2 * h.width, cache.begin() + i * ld_kv);
  }
  const AttentionF32 attention = make_table(GetParam()).attention_f32;
  Scratch scratch(attention.scratch_floats(h.keys, h.width));
  std::vector<float> y(q.size());
  attention.run({.y = y.data() - begin * h.width,
                 .ldy = h.width,
                 .q = q.data() - begin * h.width,
                 .k = cache.data(),
                 .v = cache.data() + h.width,
                 .ld_qkv = h.width,
                 .ld_kv = ld_kv,
                 .keys = h.keys,
                 .head_width = h.width,
                 .query_begin = begin,
                 .query_end = h.keys,
                 .scale = h.scale(),
                 .causal = true,
                 .scratch = scratch.data()});
  ASSERT_TRUE(test::same_bits(y, run(GetParam(), h, begin, h.keys, Mask::kCausal)));
}

INSTANTIATE_TEST_SUITE_P(EveryLevel, AttentionF32Level, testing::ValuesIn(test::levels()),
                         test::level_name);

}  // namespace
}  // namespace linnet::kernels
