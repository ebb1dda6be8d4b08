// Dense layers in training with BF16 operands: the products of the rounded numbers, at every level,
// with the same bits for any number of threads.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <memory>
#include <random>
#include <vector>

#include "engine/ops/dense.h"
#include "kernels/isa.h"

namespace linnet {
namespace {

using Floats = std::vector<float>;

Floats random_floats(std::int64_t n, unsigned seed) {
  std::mt19937 random(seed);
  Floats values(static_cast<std::size_t>(n));
  for (float& v : values) v = static_cast<float>(static_cast<int>(random() % 2001) - 1000) / 700;
  return values;
}

Mat<float> mat(Floats& v, std::int64_t cols) {
  return {v.data(), static_cast<std::int64_t>(v.size()) / cols, cols, cols};
}

// Half to even.
double rounded(float v) {
  std::uint32_t bits = std::bit_cast<std::uint32_t>(v);
  bits += 0x7FFF + (bits >> 16 & 1);
  return std::bit_cast<float>(bits & 0xFFFF0000);
}

struct Size {
  std::int64_t T, N, K;
};

// A layer with a weight [N, K], or [K, N] of a Conv1D.
struct Layer {
  Size s;
  bool conv1d;
  Floats x = random_floats(s.T * s.K, 1), w = random_floats(s.N * s.K, 2);
  Floats b = random_floats(s.N, 3), dy = random_floats(s.T * s.N, 4);
  Floats residual = random_floats(s.T * s.K, 5), add = random_floats(s.T * s.N, 6);
  Floats y = Floats(add.size()), dx = residual, dw = Floats(w.size(), 0.5f), db = Floats(b.size());

  double weight(std::int64_t n, std::int64_t k) const {
    return rounded(w[static_cast<std::size_t>(conv1d ? k * s.N + n : n * s.K + k)]);
  }
  static double at(const Floats& v, std::int64_t i) {
    return static_cast<double>(v[static_cast<std::size_t>(i)]);
  }
  static double round_at(const Floats& v, std::int64_t i) {
    return rounded(v[static_cast<std::size_t>(i)]);
  }

  void run(const Context& ctx) {
    const std::int64_t floats = dense_scratch_floats_bf16(ctx.threads.count(), s.T, s.N, s.K);
    Floats memory(static_cast<std::size_t>(floats) + 16);
    void* begin = memory.data();
    std::size_t space = memory.size() * sizeof(float);
    auto* scratch = static_cast<float*>(
        std::align(64, static_cast<std::size_t>(floats) * sizeof(float), begin, space));
    const std::int64_t width = conv1d ? s.N : s.K;
    const Dense layer{mat(w, width), mat(b, s.N)}, gradient{mat(dw, width), mat(db, s.N)};
    // The residual of dx is dx itself, as in the models.
    const DenseBwd back{mat(dx, s.K), mat(dx, s.K), mat(x, s.K), mat(dy, s.N)};
    (conv1d ? linnet::conv1d : dense)(ctx, mat(y, s.N), mat(x, s.K), layer, scratch,
                                      {.residual = mat(add, s.N)});
    (conv1d ? conv1d_bwd : dense_bwd)(ctx, back, layer, gradient, scratch);
  }

  void expect_products() const {
    const auto expect = [](double got, double sum, double magnitude, const char* what) {
      ASSERT_NEAR(got, sum, 1e-5 * magnitude + 1e-6) << what;
    };
    for (std::int64_t t = 0; t < s.T; ++t) {
      for (std::int64_t n = 0; n < s.N; ++n) {
        double sum = at(add, t * s.N + n) + at(b, n), magnitude = std::abs(sum);
        for (std::int64_t k = 0; k < s.K; ++k) {
          const double p = round_at(x, t * s.K + k) * weight(n, k);
          sum += p, magnitude += std::abs(p);
        }
        expect(at(y, t * s.N + n), sum, magnitude, "y");
      }
      for (std::int64_t k = 0; k < s.K; ++k) {
        double sum = at(residual, t * s.K + k), magnitude = std::abs(sum);
        for (std::int64_t n = 0; n < s.N; ++n) {
          const double p = round_at(dy, t * s.N + n) * weight(n, k);
          sum += p, magnitude += std::abs(p);
        }
        expect(at(dx, t * s.K + k), sum, magnitude, "dx");
      }
    }
    for (std::int64_t n = 0; n < s.N; ++n) {
      for (std::int64_t k = 0; k < s.K; ++k) {
        double sum = 0.5, magnitude = sum;
        for (std::int64_t t = 0; t < s.T; ++t) {
          const double p = round_at(dy, t * s.N + n) * round_at(x, t * s.K + k);
          sum += p, magnitude += std::abs(p);
        }
        expect(at(dw, conv1d ? k * s.N + n : n * s.K + k), sum, magnitude, "dw");
      }
    }
  }
};

class DenseBf16 : public testing::TestWithParam<Size> {};

TEST_P(DenseBf16, IsTheProductOfRoundedNumbers) {
  for (const bool conv1d : {false, true}) {
    for (const kernels::Isa isa : kernels::supported_isas()) {
      const auto table = kernels::make_table(isa);
      Layer first{GetParam(), conv1d};
      for (const int count : {1, 2, 5}) {
        SCOPED_TRACE(std::string(kernels::name(isa)) + ", " + std::to_string(count) + " threads");
        Threads threads(count);
        Layer layer{GetParam(), conv1d};
        layer.run({table, threads, {}, Precision::kBfloat16});
        if (count == 1) {
          layer.expect_products();
          first = layer;
          continue;
        }
        EXPECT_TRUE(layer.y == first.y && layer.dx == first.dx && layer.dw == first.dw &&
                    layer.db == first.db);
      }
    }
  }
}

// The last two: sums that are made in parts.
INSTANTIATE_TEST_SUITE_P(Sizes, DenseBf16,
                         testing::Values(Size{1, 1, 1}, Size{70, 60, 33}, Size{33, 100, 64},
                                         Size{5, 2, 96}, Size{4200, 5, 9}, Size{3, 4200, 7}));

TEST(DenseOfNothing, NoTokensChangeNothing) {
  Threads threads(2);
  const auto table = kernels::make_table(kernels::supported_isas().back());
  Floats w(6, 1.0f), dw(6, 2.0f), b(2), db(2, 3.0f);
  const Mat<float> nothing3{w.data(), 0, 3, 3}, nothing2{w.data(), 0, 2, 2};
  const Context ctx{table, threads, {}, Precision::kBfloat16};
  dense(ctx, nothing2, nothing3, {mat(w, 3), mat(b, 2)}, nullptr);
  dense_bwd(ctx, {nothing3, {}, nothing3, nothing2}, {mat(w, 3), mat(b, 2)},
            {mat(dw, 3), mat(db, 2)}, nullptr);
  EXPECT_EQ(dw, Floats(6, 2.0f));
  EXPECT_EQ(db, Floats(2, 3.0f));
}

}  // namespace
}  // namespace linnet
