// Layers that are quantised with an eye on their inputs: the factorisation, the smoothing, and
// products that come out better for it.
#include "engine/compress/calibrated_linear.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "engine/compress/cholesky.h"
#include "tests/kernels/levels.h"
#include "weights/base/error.h"

namespace linnet::compress {
namespace {

std::vector<float> normal(std::int64_t n, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> distribution;
  std::vector<float> v(static_cast<std::size_t>(n));
  for (float& x : v) x = distribution(engine);
  return v;
}

// Inputs as models have them: columns that go together, and a few that are far greater.
std::vector<float> inputs(std::int64_t T, std::int64_t K, unsigned seed) {
  std::vector<float> x = normal(T * K, seed);
  for (std::int64_t t = 0; t < T; ++t) {
    float* row = x.data() + t * K;
    for (std::int64_t k = 1; k < K; ++k) row[k] = 0.8f * row[k - 1] + 0.6f * row[k];
    for (std::int64_t k = 5; k < K; k += 31) row[k] *= 12;
  }
  return x;
}

TEST(Cholesky, ProductIsTheMatrix) {
  Threads threads(2);
  for (const std::int64_t n : {1, 7, 63, 64, 65, 128, 200}) {
    const auto b = normal(n * n, 1);
    const auto size = static_cast<std::size_t>(n);
    std::vector<double> a(size * size);
    for (std::size_t i = 0; i < size; ++i) {
      for (std::size_t j = 0; j < size; ++j) {
        for (std::size_t t = 0; t < size; ++t) {
          a[i * size + j] += double{b[i * size + t]} * double{b[j * size + t]};
        }
      }
      a[i * size + i] += 1;
    }
    std::vector<double> l = a;
    for (std::size_t i = 0; i < size; ++i) {
      std::fill(l.begin() + static_cast<std::ptrdiff_t>(i * size + i + 1),
                l.begin() + static_cast<std::ptrdiff_t>((i + 1) * size), NAN);  // not read
    }
    ASSERT_TRUE(cholesky(threads, l.data(), n));
    for (std::size_t i = 0; i < size; ++i) {
      EXPECT_GT(l[i * size + i], 0);
      for (std::size_t j = 0; j <= i; ++j) {
        double sum = 0;
        for (std::size_t t = 0; t <= j; ++t) sum += l[i * size + t] * l[j * size + t];
        ASSERT_NEAR(sum, a[i * size + j], 1e-12 * static_cast<double>(n) * a[i * size + i]) << n;
      }
    }
  }
}

TEST(Cholesky, RefusesWhatIsNotPositive) {
  Threads threads(1);
  std::vector<double> a{1, 0, 2, 1};
  EXPECT_FALSE(cholesky(threads, a.data(), 2));  // 1 - 2·2
  a = {NAN};
  EXPECT_FALSE(cholesky(threads, a.data(), 1));
}

TEST(SmoothingFactors, AreTheRootOfTheRatio) {
  const std::vector<float> x{1, -16, 0, 0.25f, 4, 0}, w{4, 1, 2, -0.5f, 0.5f, -8};  // K = 3
  const std::vector<float> r = smoothing_factors(w.data(), 2, {x.data(), 2, 3, 3});
  // amax of x: 1, 16, 1e-5   of w: 4, 1, 8
  const double s[] = {std::sqrt(1.0 / 4), std::sqrt(16.0), std::sqrt(1e-5 / 8)};
  const double mean = std::cbrt(s[0] * s[1] * s[2]);
  for (std::size_t k = 0; k < 3; ++k) EXPECT_NEAR(double{r[k]}, mean / s[k], 1e-6 * mean / s[k]);
}

// Sum of squares of x·(w - what the layer stands for)ᵀ.
double product_error(Threads& threads, const std::vector<float>& w, const QuantizedLinear& layer,
                     const std::vector<float>& x) {
  std::vector<float> back(w.size());
  dequantize(threads, back.data(), layer);
  const std::int64_t K = layer.K, T = static_cast<std::int64_t>(x.size()) / K;
  double squares = 0;
  for (std::int64_t t = 0; t < T; ++t) {
    for (std::int64_t n = 0; n < layer.N; ++n) {
      double sum = 0;
      for (std::int64_t k = 0; k < K; ++k) {
        const auto i = static_cast<std::size_t>(n * K + k);
        sum += double{x[static_cast<std::size_t>(t * K + k)]} * (double{w[i]} - double{back[i]});
      }
      squares += sum * sum;
    }
  }
  return squares;
}

TEST(CalibratedLinear, ProductsAreBetterThanOfTheNearest) {
  Threads threads(2);
  const kernels::KernelTable table = kernels::make_table(kernels::Isa::kReference);
  for (const std::int64_t K : {64, 100, 192}) {
    const std::int64_t N = 70, T = 400;
    const auto w = normal(N * K, 2), x = inputs(T, K, 3), unseen = inputs(T, K, 4);
    for (const LinearRecipe& recipe :
         {LinearRecipe{}, LinearRecipe{default_rotation(K), {}},
          LinearRecipe{default_rotation(K), smoothing_factors(w.data(), N, {x.data(), T, K, K})}}) {
      const QuantizedLinear nearest = quantize_linear(threads, w.data(), N, K, recipe);
      const QuantizedLinear calibrated =
          quantize_calibrated(threads, table, w.data(), N, recipe, {x.data(), T, K, K});
      const double ratio = product_error(threads, w, calibrated, unseen) /
                           product_error(threads, w, nearest, unseen);
      EXPECT_LT(ratio, 0.6) << K << " " << recipe.rotation.n;
      for (const std::int8_t q : calibrated.q) ASSERT_GE(q, -127);
    }
  }
}

// Greedy, column by column, in double: what the blocks and the float products stand for.
TEST(CalibratedLinear, IsTheRecursionOfTheComment) {
  Threads threads(2);
  const kernels::KernelTable table = kernels::make_table(kernels::Isa::kReference);
  const std::int64_t N = 65, K = 192, T = 600;
  const auto w = normal(N * K, 5), x = inputs(T, K, 6);
  const QuantizedLinear got =
      quantize_calibrated(threads, table, w.data(), N, {}, {x.data(), T, K, K});

  const auto size = static_cast<std::size_t>(K);
  std::vector<double> h(size * size);
  for (std::size_t t = 0; t < static_cast<std::size_t>(T); ++t) {
    for (std::size_t i = 0; i < size; ++i) {
      for (std::size_t j = 0; j < size; ++j) {
        h[i * size + j] += double{x[t * size + i]} * double{x[t * size + j]};
      }
    }
  }
  double mean = 0;
  for (std::size_t k = 0; k < size; ++k) mean += h[k * size + k] / static_cast<double>(K);
  for (std::size_t k = 0; k < size; ++k) h[k * size + k] += 0.05 * mean;
  std::vector<std::size_t> order(size);
  for (std::size_t k = 0; k < size; ++k) order[k] = k;
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return h[a * size + a] < h[b * size + b]; });
  std::vector<double> l(size * size);
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t j = 0; j < size; ++j) l[i * size + j] = h[order[i] * size + order[j]];
  }
  ASSERT_TRUE(cholesky(threads, l.data(), K));

  std::size_t different = 0;
  for (std::size_t n = 0; n < static_cast<std::size_t>(N); ++n) {
    const double scale = double{got.scale[n]};
    std::vector<double> e(size);
    for (std::size_t k = size; k-- > 0;) {
      double wanted = double{w[n * size + order[k]]};
      for (std::size_t j = k + 1; j < size; ++j) {
        wanted += l[j * size + k] / l[k * size + k] * e[j];
      }
      const double q = std::clamp(std::nearbyint(wanted / scale), -127.0, 127.0);
      different += got.q[n * size + order[k]] != static_cast<std::int8_t>(q);
      e[k] = double{w[n * size + order[k]]} - scale * got.q[n * size + order[k]];
    }
  }
  EXPECT_LE(different, static_cast<std::size_t>(N * K) / 1000);  // roundings at a border
}

// No scale of the list costs less, and one below absmax is chosen somewhere.
TEST(CalibratedLinear, ScaleIsTheBestOfTheShares) {
  Threads threads(1);
  const kernels::KernelTable table = kernels::make_table(kernels::Isa::kReference);
  const std::int64_t N = 40, K = 384, T = 100;
  auto w = normal(N * K, 7);
  for (std::int64_t n = 0; n < N; ++n) w[static_cast<std::size_t>(n * K)] *= 4;
  auto x = normal(T * K, 8);
  for (std::int64_t t = 0; t < T; ++t) x[static_cast<std::size_t>(t * K)] *= 0.01f;
  const QuantizedLinear layer =
      quantize_calibrated(threads, table, w.data(), N, {}, {x.data(), T, K, K});
  std::vector<double> h(static_cast<std::size_t>(K));
  double mean = 0;
  for (std::size_t i = 0; i < x.size(); ++i) h[i % h.size()] += double{x[i]} * double{x[i]};
  for (const double of_column : h) mean += of_column / static_cast<double>(K);
  std::int64_t below = 0;
  for (std::int64_t n = 0; n < N; ++n) {
    const float* row = w.data() + n * K;
    double amax = 0, least = INFINITY, got = INFINITY;
    for (std::int64_t k = 0; k < K; ++k) amax = std::max(amax, std::abs(double{row[k]}));
    for (int share = 0; share < 26; ++share) {
      const double scale = amax * (1 - 0.02 * share) / 127;
      double cost = 0;
      for (std::int64_t k = 0; k < K; ++k) {
        const double q = std::clamp(std::nearbyint(double{row[k]} / scale), -127.0, 127.0);
        const double e = double{row[k]} - q * scale;
        cost += (h[static_cast<std::size_t>(k)] + 0.05 * mean) * e * e;
      }
      least = std::min(least, cost);
      const double chosen = double{layer.scale[static_cast<std::size_t>(n)]};
      if (std::abs(scale / chosen - 1) < 1e-6) got = cost, below += share > 0;
    }
    EXPECT_LE(got, least * (1 + 1e-4)) << n;
  }
  EXPECT_GT(below, 0);
  EXPECT_LT(below, N);
}

TEST(CalibratedLinear, SameAtEveryLevelOnAnyNumberOfThreads) {
  const std::int64_t N = 200, K = 384, T = 150;
  const auto w = normal(N * K, 9), x = inputs(T, K, 10);
  const Mat<const float> rows{x.data(), T, K, K};
  const LinearRecipe recipe{default_rotation(K), smoothing_factors(w.data(), N, rows)};
  Threads one(1);
  const QuantizedLinear want = quantize_calibrated(
      one, kernels::make_table(kernels::Isa::kReference), w.data(), N, recipe, rows);
  for (const kernels::Isa isa : test::levels()) {
    for (const int count : {1, 3}) {
      Threads threads(count);
      const QuantizedLinear got =
          quantize_calibrated(threads, kernels::make_table(isa), w.data(), N, recipe, rows);
      EXPECT_EQ(got.q, want.q) << kernels::name(isa) << " " << count;
      EXPECT_EQ(got.scale, want.scale) << kernels::name(isa) << " " << count;
    }
  }
}

TEST(CalibratedLinear, RowsAndInputsOfZeros) {
  Threads threads(1);
  const kernels::KernelTable table = kernels::make_table(kernels::Isa::kReference);
  auto w = normal(3 * 64, 11);
  std::fill(w.begin() + 64, w.begin() + 128, 0.0f);
  const std::vector<float> x(10 * 64);
  const QuantizedLinear layer =
      quantize_calibrated(threads, table, w.data(), 3, {}, {x.data(), 10, 64, 64});
  EXPECT_EQ(layer.scale[1], 0);
  EXPECT_TRUE(std::all_of(layer.q.begin() + 64, layer.q.begin() + 128,
                          [](std::int8_t q) { return q == 0; }));
  EXPECT_GT(layer.scale[0], 0);
}

TEST(CalibratedLinear, RefusesInputsThatAreNotFinite) {
  Threads threads(1);
  const kernels::KernelTable table = kernels::make_table(kernels::Isa::kReference);
  const auto w = normal(64, 12);
  for (const float bad : {NAN, INFINITY}) {
    std::vector<float> x(10 * 64, 1.0f);
    x[70] = bad;
    EXPECT_THROW(quantize_calibrated(threads, table, w.data(), 1, {}, {x.data(), 10, 64, 64}),
                 Error);
  }
}

}  // namespace
}  // namespace linnet::compress
