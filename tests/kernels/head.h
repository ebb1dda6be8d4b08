#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "tests/kernels/levels.h"
#include "tests/support/guarded_buffer.h"

// What the tests of attention share, in FP32 and in INT8. A test names its slot:
//   struct Op { using Args = …; static auto of(Isa); };  // the slot of the level's table
namespace linnet::test {

/// One head of one sequence as it lies in [tokens, 3·D]: q, k and v beside each other.
struct Head {
  std::int64_t keys, width, slack = 0;
  bool causal = false;
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
    std::fill(buffer_.span().begin(), buffer_.span().end(), kNan);
  }
  float* data() { return buffer_.data(); }

 private:
  GuardedBuffer<float> buffer_;
};

/// The arguments for the queries [begin, end) of h but for y and scratch.
template <class Args>
Args arguments_of(const Head& h, std::int64_t begin, std::int64_t end) {
  Args a;
  a.q = h.q(), a.k = h.k(), a.v = h.v();
  a.ld_qkv = h.ld();
  a.keys = h.keys, a.head_width = h.width;
  a.query_begin = begin, a.query_end = end;
  a.scale = h.scale(), a.causal = h.causal;
  return a;
}

/// y [queries, width] of the queries [begin, end), out of guarded memory and into it.
template <class Op>
std::vector<float> attend(Isa isa, const Head& h, std::int64_t begin, std::int64_t end) {
  const auto attention = Op::of(isa);
  Scratch scratch(attention.scratch_floats(h.keys, h.width));
  const std::int64_t ldy = h.width + 3;
  GuardedBuffer<float> y(static_cast<std::size_t>((end - begin - 1) * ldy + h.width));
  std::fill(y.span().begin(), y.span().end(), 77.0f);
  auto a = arguments_of<typename Op::Args>(h, begin, end);
  a.y = y.data() - begin * ldy, a.ldy = ldy;
  a.scratch = scratch.data();
  attention.run(a);
  std::vector<float> dense;
  for (std::int64_t i = 0; i < end - begin; ++i) {
    for (std::int64_t d = 0; d < ldy && i * ldy + d < static_cast<std::int64_t>(y.size()); ++d) {
      if (d < h.width) {
        dense.push_back(y.data()[i * ldy + d]);
      } else {
        EXPECT_EQ(y.data()[i * ldy + d], 77.0f) << "gap of row " << i;
      }
    }
  }
  return dense;
}

template <class Op>
std::vector<float> attend(Isa isa, const Head& h) {
  return attend<Op>(isa, h, 0, h.keys);
}

template <class Op>
testing::AssertionResult level_is_reference(Isa isa, const Head& h, std::int64_t begin,
                                            std::int64_t end) {
  auto result =
      same_bits(attend<Op>(isa, h, begin, end), attend<Op>(Isa::kReference, h, begin, end));
  if (!result) {
    result << ", keys " << h.keys << " width " << h.width << " queries " << begin << ".." << end
           << " causal " << h.causal;
  }
  return result;
}

template <class Op>
testing::AssertionResult level_is_reference(Isa isa, const Head& h) {
  return level_is_reference<Op>(isa, h, 0, h.keys);
}

template <class Op>
void same_bits_for_every_length(Isa isa) {
  Rng rng(2);
  for (std::int64_t keys = 1; keys <= 140; keys += keys < 70 ? 1 : 7) {
    for (const std::int64_t width : {32, 64}) {
      for (const bool causal : {false, true}) {
        Head h{keys, width, keys % 3, causal};
        fill_uniform(h.qkv.span(), -3, 3, rng);
        ASSERT_TRUE(level_is_reference<Op>(isa, h));
      }
    }
  }
}

template <class Op>
void same_bits_for_every_head_width(Isa isa) {
  Rng rng(3);
  for (std::int64_t width = 1; width <= 256; width += width < 70 ? 1 : 31) {
    Head h{21, width, 1, width % 2 == 0};
    fill_mixed(h.qkv.span(), rng);
    ASSERT_TRUE(level_is_reference<Op>(isa, h));
  }
}

template <class Op>
void same_bits_for_long_sequences(Isa isa) {
  Rng rng(4);
  for (const auto& [keys, width] :
       {std::pair<std::int64_t, std::int64_t>{512, 64}, {1025, 32}, {4096, 5}}) {
    Head h{keys, width};
    fill_uniform(h.qkv.span(), -1, 1, rng);
    ASSERT_TRUE(level_is_reference<Op>(isa, h, keys - 20, keys));
  }
}

template <class Op>
void same_bits_on_random_heads(Isa isa) {
  Rng rng(8);
  for (int i = 0; i < 400; ++i) {
    const auto upto = [&rng](std::uint64_t n) { return static_cast<std::int64_t>(1 + rng() % n); };
    Head h{upto(rng() % 5 == 0 ? 300 : 60), upto(rng() % 5 == 0 ? 256 : 70), upto(9) - 1,
           rng() % 2 == 0};
    fill_mixed(h.qkv.span(), rng);
    const std::int64_t begin = upto(static_cast<std::uint64_t>(h.keys)) - 1;
    const std::int64_t end = begin + upto(static_cast<std::uint64_t>(h.keys - begin));
    ASSERT_TRUE(level_is_reference<Op>(isa, h, begin, end));
  }
}

template <class Op>
void non_finite_numbers_as_in_the_reference(Isa isa) {
  Rng rng(7);
  for (int i = 0; i < 120; ++i) {
    Head h{18, 19, 0, i % 2 == 0};
    fill_mixed(h.qkv.span(), rng);
    constexpr float kOdd[] = {kNan, kInf, -kInf, -0.0f, 1e-42f, 3e38f};
    for (int n = 0; n < 3; ++n) h.qkv[rng() % h.qkv.size()] = kOdd[rng() % 6];
    ASSERT_TRUE(level_is_reference<Op>(isa, h));
  }
}

template <class Op>
void queries_do_not_depend_on_their_split(Isa isa) {
  Rng rng(5);
  for (const bool causal : {false, true}) {
    Head h{53, 33, 0, causal};
    fill_mixed(h.qkv.span(), rng);
    const std::vector<float> whole = attend<Op>(isa, h);
    for (const std::int64_t step : {1, 2, 5, 8, 13}) {
      std::vector<float> parts;
      for (std::int64_t i = 0; i < h.keys; i += step) {
        const std::vector<float> part = attend<Op>(isa, h, i, std::min(h.keys, i + step));
        parts.insert(parts.end(), part.begin(), part.end());
      }
      ASSERT_TRUE(same_bits(parts, whole)) << "step " << step;
    }
  }
}

/// Sequences of lengths 1..40 end to end in one matrix, then each in a matrix of its own.
template <class Op>
void alone_equals_packed(Isa isa) {
  Rng rng(6);
  constexpr std::int64_t kWidth = 32;
  for (const bool causal : {false, true}) {
    Head packed{40 * 41 / 2, kWidth, 0, causal};
    fill_mixed(packed.qkv.span(), rng);
    std::int64_t start = 0;
    for (std::int64_t length = 1; length <= 40; start += length++) {
      Head alone{length, kWidth, 0, causal};
      const std::int64_t skipped = start * packed.ld();
      std::copy_n(packed.qkv.data() + skipped, length * alone.ld(), alone.qkv.data());
      GuardedBuffer<float> y(static_cast<std::size_t>(length * kWidth));
      Scratch scratch(Op::of(isa).scratch_floats(length, kWidth));
      auto a = arguments_of<typename Op::Args>(packed, 0, length);
      a.y = y.data(), a.ldy = kWidth, a.scratch = scratch.data();
      a.q += skipped, a.k += skipped, a.v += skipped;
      a.keys = length;
      Op::of(isa).run(a);
      ASSERT_TRUE(same_bits(y.span(), attend<Op>(isa, alone))) << "length " << length;
    }
  }
}

}  // namespace linnet::test
