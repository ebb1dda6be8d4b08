// What operations add to their kernels: splitting among threads, sequences and heads.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "engine/core/batch.h"
#include "engine/core/context.h"
#include "engine/core/memory.h"
#include "engine/ops/attention.h"
#include "engine/ops/embedding.h"
#include "engine/ops/layer_norm.h"
#include "engine/ops/linear.h"
#include "engine/ops/pooling.h"

namespace linnet {
namespace {

using kernels::Isa;

std::vector<float> random_floats(std::int64_t n, unsigned seed) {
  std::mt19937 rng(seed);
  std::uniform_real_distribution<float> u(-1, 1);
  std::vector<float> v(static_cast<std::size_t>(n));
  for (float& x : v) x = u(rng) * std::exp2(static_cast<float>(rng() % 9) - 4);
  return v;
}

Mat<float> mat(std::vector<float>& v, std::int64_t cols) {
  return {v.data(), static_cast<std::int64_t>(v.size()) / cols, cols, cols};
}

std::vector<std::uint32_t> bits(const std::vector<float>& v) {
  std::vector<std::uint32_t> b;
  for (const float x : v) b.push_back(std::bit_cast<std::uint32_t>(x));
  return b;
}

struct PackedLinear {
  std::vector<float> weight, bias;
  Block packed;
  Linear linear;
  PackedLinear(const kernels::KernelTable& k, std::int64_t N, std::int64_t K)
      : weight(random_floats(N * K, 1)),
        bias(random_floats(N, 2)),
        packed(k.gemm_f32.packed_floats(N, K) * 4) {
    auto* p = reinterpret_cast<float*>(packed.data());
    k.gemm_f32.pack(p, weight.data(), K, 1, N, K, 0, N);
    linear = {packed.data(), bias.data(), N, K};
  }
};

TEST(Linear, IsTheChainAndTheSameForAnyThreads) {
  constexpr std::int64_t T = 37, N = 500, K = 300;
  auto x = random_floats(T * K, 3), residual = random_floats(T * N, 4);
  for (const Isa isa : kernels::supported_isas()) {
    const auto k = kernels::make_table(isa);
    const PackedLinear w(k, N, K);
    for (int count : {1, 2, 3, 4, 7}) {
      Threads threads(count);
      std::vector<float> y(T * N);
      linear({k, threads}, mat(y, N), mat(x, K), w.linear,
             {.activation = kernels::Activation::kRelu, .residual = mat(residual, N)});
      for (std::int64_t t = 0; t < T; ++t) {
        for (std::int64_t n = 0; n < N; ++n) {
          float acc = 0;
          for (std::int64_t i = 0; i < K; ++i) {
            acc = std::fma(x[static_cast<std::size_t>(t * K + i)],
                           w.weight[static_cast<std::size_t>(n * K + i)], acc);
          }
          const float z = std::max(acc + w.bias[static_cast<std::size_t>(n)], 0.0f);
          const auto at = static_cast<std::size_t>(t * N + n);
          ASSERT_EQ(y[at], residual[at] + z) << "row " << t << " column " << n;
        }
      }
    }
  }
}

// Against the product of the rounded operands; how its parts are summed belongs to the level.
TEST(Linear, OfBf16RoundsItsOperandsAndIsTheSameForAnyThreads) {
  constexpr std::int64_t T = 37, N = 500, K = 301, kLd = kernels::padded_k_bf16(K);
  auto x = random_floats(T * K, 3), weight = random_floats(N * K, 1), bias = random_floats(N, 2);
  const auto reference = kernels::make_table(Isa::kReference);
  const auto rounded = [&](const std::vector<float>& v, std::int64_t rows) {
    std::vector<std::uint16_t> out(static_cast<std::size_t>(rows * kLd));
    reference.round_rows_bf16(out.data(), kLd, v.data(), K, rows, K);
    return out;
  };
  const auto xr = rounded(x, T), wr = rounded(weight, N);
  const auto value = [](std::uint16_t b) {
    return std::bit_cast<float>(static_cast<std::uint32_t>(b) << 16);
  };
  for (const Isa isa : kernels::supported_isas()) {
    const auto k = kernels::make_table(isa);
    Block packed((N + 15) / 16 * 16 * kLd * 2);
    Block scratch(linear_scratch_bytes(LinearKind::kBfloat16, 1, T, K));
    k.pack_bf16(reinterpret_cast<std::uint16_t*>(packed.data()), weight.data(), K, 1, K, 0, N);
    const Linear w{packed.data(), bias.data(), N, K, LinearKind::kBfloat16};
    std::vector<float> first;
    for (int count : {1, 2, 3, 7}) {
      Threads threads(count);
      std::vector<float> y(T * N);
      linear({k, threads, {scratch.data(), scratch.bytes()}}, mat(y, N), mat(x, K), w);
      if (first.empty()) first = y;
      EXPECT_EQ(bits(y), bits(first)) << count << " threads at level " << kernels::name(isa);
    }
    for (std::int64_t t = 0; t < T; ++t) {
      for (std::int64_t n = 0; n < N; ++n) {
        double want = bias[static_cast<std::size_t>(n)], magnitude = std::abs(want);
        for (std::int64_t i = 0; i < K; ++i) {
          const double p = double{value(xr[static_cast<std::size_t>(t * kLd + i)])} *
                           value(wr[static_cast<std::size_t>(n * kLd + i)]);
          want += p;
          magnitude += std::abs(p);
        }
        // Two roundings a term at most.
        const double bound = 2 * (K + 1) * std::numeric_limits<float>::epsilon() * magnitude;
        ASSERT_NEAR(first[static_cast<std::size_t>(t * N + n)], want, bound) << t << " " << n;
      }
    }
  }
}

// Lengths 1..40 packed together: each sequence's rows are the bytes it has alone, for any threads.
TEST(Attention, SequencesDoNotSeeEachOther) {
  constexpr std::int64_t kHeads = 3, kWidth = 16, A = kHeads * kWidth;
  std::vector<std::int64_t> starts{0};
  for (std::int64_t n = 1; n <= 40; ++n) starts.push_back(starts.back() + n);
  const std::vector<std::int32_t> tokens(static_cast<std::size_t>(starts.back()));
  const Batch batch{tokens, tokens, {}, starts};
  auto qkv = random_floats(batch.T() * 3 * A, 5);
  const auto k = kernels::make_table(kernels::supported_isas().back());

  const auto run = [&](int count, const Batch& b, Mat<float> in) {
    Threads threads(count);
    Block scratch(4 * attention_scratch_floats(k, {kHeads, kWidth}, count, 40));
    std::vector<float> y(static_cast<std::size_t>(b.T() * A));
    attention({k, threads}, mat(y, A), in, {kHeads, kWidth}, b,
              reinterpret_cast<float*>(scratch.data()));
    return y;
  };
  const auto together = run(1, batch, mat(qkv, 3 * A));
  for (int count : {2, 3, 4, 16}) {
    EXPECT_EQ(bits(run(count, batch, mat(qkv, 3 * A))), bits(together)) << count << " threads";
  }
  for (std::int64_t b = 0; b < batch.B(); ++b) {
    const auto i = static_cast<std::size_t>(b);
    const std::vector<std::int64_t> alone{0, batch.length(b)};
    const std::span all(tokens);
    const auto mine = all.subspan(0, static_cast<std::size_t>(batch.length(b)));
    for (int count : {1, 4, 16}) {  // 16: fewer heads than threads, queries are split
      const auto y =
          run(count, {mine, mine, {}, alone}, mat(qkv, 3 * A).slice_rows(starts[i], starts[i + 1]));
      const std::vector<float> expected(together.begin() + starts[i] * A,
                                        together.begin() + starts[i + 1] * A);
      EXPECT_EQ(bits(y), bits(expected)) << "length " << batch.length(b);
    }
  }
}

TEST(Attention, IsSoftmaxOfScaledProducts) {
  constexpr std::int64_t kHeads = 2, kWidth = 5, A = kHeads * kWidth, L = 7;
  const std::vector<std::int64_t> starts{0, L};
  const std::vector<std::int32_t> tokens(L);
  auto qkv = random_floats(L * 3 * A, 6);
  std::vector<float> y(L * A);
  const auto k = kernels::make_table(Isa::kReference);
  Threads threads(1);
  Block scratch(4 * attention_scratch_floats(k, {kHeads, kWidth}, 1, L));
  attention({k, threads}, mat(y, A), mat(qkv, 3 * A), {kHeads, kWidth},
            {tokens, tokens, {}, starts}, reinterpret_cast<float*>(scratch.data()));
  const auto at = [&](std::int64_t t, std::int64_t part, std::int64_t h, std::int64_t d) -> double {
    return qkv[static_cast<std::size_t>(t * 3 * A + part * A + h * kWidth + d)];
  };
  for (std::int64_t h = 0; h < kHeads; ++h) {
    for (std::int64_t i = 0; i < L; ++i) {
      std::vector<double> p(L);
      double sum = 0;
      for (std::int64_t j = 0; j < L; ++j) {
        double s = 0;
        for (std::int64_t d = 0; d < kWidth; ++d) s += at(i, 0, h, d) * at(j, 1, h, d);
        sum += p[static_cast<std::size_t>(j)] = std::exp(s / std::sqrt(5.0));
      }
      for (std::int64_t d = 0; d < kWidth; ++d) {
        double want = 0;
        for (std::int64_t j = 0; j < L; ++j)
          want += p[static_cast<std::size_t>(j)] / sum * at(j, 2, h, d);
        // Scores up to 5·16² carry 1e-7 of that into the exponent; values are up to 16.
        ASSERT_NEAR(y[static_cast<std::size_t>(i * A + h * kWidth + d)], want, 16 * 2e-4);
      }
    }
  }
}

TEST(Embedding, AddsWordTypePositionInThisOrder) {
  // (1e8 + -1e8) + 3 is 3; any other order loses the 3 or the type.
  std::vector<float> word{1e8f, 2}, type{5, -1e8f}, position{3, 4};
  const std::vector<std::int32_t> tokens{0, 1}, types{1, 0}, positions{0, 1};
  const std::vector<std::int64_t> starts{0, 2};
  const auto k = kernels::make_table(Isa::kReference);
  Threads threads(1);
  std::vector<float> x(2);
  embed({k, threads}, mat(x, 1), {mat(word, 1), mat(position, 1), mat(type, 1)},
        {tokens, positions, types, starts});
  EXPECT_EQ(x, (std::vector<float>{3, 11}));
  embed({k, threads}, mat(x, 1), {mat(word, 1), mat(position, 1), {}},
        {tokens, positions, {}, starts});
  EXPECT_EQ(x, (std::vector<float>{1e8f + 3, 6}));
}

class Pool : public testing::Test {
 protected:
  // Sequences [1,2 | 3,4 | 5,9] and [-7,8]; two columns.
  std::vector<float> h{1, 2, 3, 4, 5, 9, -7, 8};
  const std::vector<std::int32_t> tokens = std::vector<std::int32_t>(4);
  const std::vector<std::int64_t> starts{0, 3, 4};

  std::vector<float> run(Pooling mode, std::span<const std::int64_t> skip = {}, int count = 1) {
    const auto k = kernels::make_table(Isa::kReference);
    Threads threads(count);
    std::vector<float> y(4);
    pool({k, threads}, mat(y, 2), mat(h, 2), mode, {tokens, tokens, {}, starts}, skip);
    return y;
  }
};

TEST_F(Pool, EveryMode) {
  const float root3 = std::sqrt(3.0f);
  EXPECT_EQ(run(Pooling::kCls), (std::vector<float>{1, 2, -7, 8}));
  EXPECT_EQ(run(Pooling::kMax), (std::vector<float>{5, 9, -7, 8}));
  EXPECT_EQ(run(Pooling::kMean), (std::vector<float>{3, 5, -7, 8}));
  EXPECT_EQ(run(Pooling::kMeanSqrtLen), (std::vector<float>{9 / root3, 15 / root3, -7, 8}));
  EXPECT_EQ(run(Pooling::kWeightedMean), (std::vector<float>{22.0f / 6, 37.0f / 6, -7, 8}));
  EXPECT_EQ(run(Pooling::kLastToken), (std::vector<float>{5, 9, -7, 8}));
  EXPECT_EQ(run(Pooling::kMean, {}, 4), (std::vector<float>{3, 5, -7, 8}));
}

TEST_F(Pool, SkippedTokensTakeNoPart) {
  const std::vector<std::int64_t> skip{1, 0};
  EXPECT_EQ(run(Pooling::kCls, skip), (std::vector<float>{1, 2, -7, 8}));
  EXPECT_EQ(run(Pooling::kMean, skip), (std::vector<float>{4, 6.5f, -7, 8}));
  // Weights are positions in the whole sequence: 2 and 3.
  EXPECT_EQ(run(Pooling::kWeightedMean, skip), (std::vector<float>{21.0f / 5, 35.0f / 5, -7, 8}));
  const std::vector<std::int64_t> all{3, 5};
  EXPECT_EQ(run(Pooling::kMax, all), (std::vector<float>{0, 0, 0, 0}));
}

}  // namespace
}  // namespace linnet
