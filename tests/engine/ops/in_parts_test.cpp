// Products and losses of training that are computed some columns at a time: sizes of several parts.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <random>
#include <vector>

#include "engine/ops/dense.h"
#include "engine/ops/losses.h"

namespace linnet {
namespace {

using Floats = std::vector<float>;

Floats random_floats(std::int64_t n, unsigned seed) {
  std::mt19937 rng(seed);
  std::uniform_real_distribution<float> u(-1, 1);
  Floats x(static_cast<std::size_t>(n));
  for (float& v : x) v = u(rng);
  return x;
}

Mat<float> mat(Floats& v, std::int64_t cols) {
  return {v.data(), static_cast<std::int64_t>(v.size()) / cols, cols, cols};
}

std::vector<std::uint32_t> bits(const Floats& v) {
  std::vector<std::uint32_t> all;
  for (const float x : v) all.push_back(std::bit_cast<std::uint32_t>(x));
  return all;
}

// residual + (chain over k + bias), spelled out; element (n, k) of w at n·stride_n + k·stride_k.
Floats product(const Floats& x, const float* w, std::int64_t stride_n, std::int64_t stride_k,
               const Floats& bias, const Floats& residual, std::int64_t K) {
  Floats y(residual.size());
  const auto N = static_cast<std::int64_t>(bias.size());
  for (std::size_t i = 0; i < y.size(); ++i) {
    const std::int64_t t = static_cast<std::int64_t>(i) / N, n = static_cast<std::int64_t>(i) % N;
    float acc = 0;
    for (std::int64_t k = 0; k < K; ++k) {
      acc = std::fma(x[static_cast<std::size_t>(t * K + k)], w[n * stride_n + k * stride_k], acc);
    }
    y[i] = residual[i] + (acc + bias[static_cast<std::size_t>(n)]);
  }
  return y;
}

TEST(InParts, ProductsHaveTheBitsOfTheirChains) {
  constexpr std::int64_t T = 3, N = 700, K = 810;
  Floats x = random_floats(T * K, 1), w = random_floats(N * K, 2), b = random_floats(N, 3),
         residual = random_floats(T * N, 4), from = random_floats(T * N, 5);
  const Floats want = product(x, w.data(), K, 1, b, residual, K);
  const Floats want_conv = product(x, w.data(), 1, N, b, residual, K);
  const Floats zeros(K), none(T * K);
  const Floats want_dx = product(from, w.data(), 1, K, zeros, none, N);
  for (const kernels::Isa isa : kernels::supported_isas()) {
    const auto table = kernels::make_table(isa);
    for (const int count : {1, 2}) {
      Threads threads(count);
      const Context ctx{table, threads};
      Floats scratch(static_cast<std::size_t>(dense_scratch_floats(table, count, N, K)));
      Floats y(T * N), dx(T * K), dw(N * K), db(N);
      const LinearEpilogue add{.residual = mat(residual, N)};
      dense(ctx, mat(y, N), mat(x, K), {mat(w, K), mat(b, N)}, scratch.data(), add);
      EXPECT_TRUE(bits(y) == bits(want)) << kernels::name(isa) << ", " << count;
      conv1d(ctx, mat(y, N), mat(x, K), {mat(w, N), mat(b, N)}, scratch.data(), add);
      EXPECT_TRUE(bits(y) == bits(want_conv)) << kernels::name(isa) << ", " << count;
      dense_bwd(ctx, {.dx = mat(dx, K), .x = mat(x, K), .dy = mat(from, N)}, {mat(w, K), mat(b, N)},
                {mat(dw, K), mat(db, N)}, scratch.data());
      EXPECT_TRUE(bits(dx) == bits(want_dx)) << kernels::name(isa) << ", " << count;
    }
  }
}

TEST(InParts, CrossEntropyOfManyClasses) {
  constexpr std::int64_t C = 600;
  const std::vector<std::int64_t> labels{599, 256};
  const Floats logits = random_floats(2 * C, 19);
  double want_loss = 0;
  std::vector<double> want;
  for (const std::size_t r : {std::size_t{0}, std::size_t{1}}) {
    const float* x = logits.data() + r * C;
    double sum = 0;
    for (std::int64_t c = 0; c < C; ++c) sum += std::exp(static_cast<double>(x[c]));
    want_loss -= (x[labels[r]] - std::log(sum)) / 3;
    for (std::int64_t c = 0; c < C; ++c) {
      want.push_back((std::exp(static_cast<double>(x[c])) / sum - (c == labels[r] ? 1 : 0)) / 3);
    }
  }
  Floats first;
  for (const kernels::Isa isa : kernels::supported_isas()) {
    const auto table = kernels::make_table(isa);
    Threads threads(2);
    Floats d = logits;
    std::vector<double> rows(2);
    const double loss = cross_entropy({table, threads}, mat(d, C), mat(d, C), labels, {0, 3},
                                      {rows.data(), 1, 2, 2});
    EXPECT_NEAR(loss, want_loss, 1e-13);
    for (std::size_t i = 0; i < d.size(); ++i) ASSERT_NEAR(d[i], want[i], 3e-8) << i;
    if (first.empty()) first = d;
    EXPECT_TRUE(bits(d) == bits(first)) << kernels::name(isa);
  }
}

}  // namespace
}  // namespace linnet
