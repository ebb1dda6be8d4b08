// Layers in INT8: rotations undo each other, products stay what they were, the plain scheme is that
// of the goldens, and what an INT8 layer stands for.
#include "engine/compress/quantized_linear.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "engine/models/quantize_channels.h"
#include "kernels/kernel_table.h"
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

// Positive numbers a few powers of two apart.
std::vector<float> scales(std::int64_t n, unsigned seed) {
  std::vector<float> v = normal(n, seed);
  for (float& x : v) x = std::exp2(x);
  return v;
}

struct Case {
  std::int64_t K;
  Rotation rotation;
};

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const std::int64_t K : {1, 48, 64, 100, 128, 192, 320, 384, 768, 1536, 3072}) {
    for (const InLane in_lane : {InLane::kNo, InLane::kYes}) {
      all.push_back({K, default_rotation(K, in_lane)});
    }
    all.push_back({K, {}});
  }
  all.push_back({384, {.n = 2, .thirds = true, .in_lane = true}});
  all.push_back({384, {.n = 1, .thirds = false, .in_lane = true}});
  return all;
}

TEST(Rotation, DefaultOfEachWidth) {
  EXPECT_EQ(default_rotation(384), (Rotation{8, true, false}));
  EXPECT_EQ(default_rotation(384, InLane::kYes), (Rotation{8, false, true}));
  EXPECT_EQ(default_rotation(768), (Rotation{16, true, false}));
  EXPECT_EQ(default_rotation(768, InLane::kYes), (Rotation{16, true, false}));
  EXPECT_EQ(default_rotation(128), (Rotation{8, false, false}));
  EXPECT_EQ(default_rotation(100), (Rotation{8, false, false}));  // 128 with the padding
  for (const std::int64_t K : {1024, 1536, 3072}) {
    EXPECT_EQ(default_rotation(K), (Rotation{32, false, false})) << K;
  }
}

TEST(Rotation, ConditionsAreThoseOfTheKernels) {
  EXPECT_TRUE(is_valid({}, 384));
  for (const Rotation& rotation :
       {Rotation{16, false, false}, Rotation{64, false, false}, Rotation{3, false, false},
        Rotation{-8, false, false}, Rotation{0, true, false}, Rotation{0, false, true}}) {
    EXPECT_FALSE(is_valid(rotation, 384)) << rotation.n;
  }
  EXPECT_FALSE(is_valid({8, true, false}, 128));
  EXPECT_FALSE(is_valid({32, true, false}, 1024));
}

TEST(Rotation, IsUndoneAndKeepsProducts) {
  for (const Case& c : cases()) {
    const std::int64_t K64 = kernels::padded_k(c.K);
    const auto a = normal(K64, 1), b = normal(K64, 2);
    std::vector<double> ra(a.begin(), a.end()), rb(b.begin(), b.end());
    rotate(ra.data(), K64, c.rotation);
    rotate(rb.data(), K64, c.rotation);
    double plain = 0, rotated = 0;
    for (std::size_t k = 0; k < a.size(); ++k) {
      plain += double{a[k]} * double{b[k]};
      rotated += ra[k] * rb[k];
    }
    const double gain = c.rotation.any() ? c.rotation.gain() : 1;
    EXPECT_NEAR(rotated / gain, plain, 1e-12 * static_cast<double>(K64)) << c.K;
    unrotate(ra.data(), K64, c.rotation);
    for (std::size_t k = 0; k < a.size(); ++k) ASSERT_NEAR(ra[k], double{a[k]}, 1e-13) << c.K;
  }
}

// What a kernel does to activations is what rotate() does to weights.
TEST(Rotation, IsThatOfTheKernels) {
  const kernels::KernelTable table = kernels::make_table(kernels::Isa::kReference);
  for (const Case& c : cases()) {
    const std::int64_t K64 = kernels::padded_k(c.K);
    const auto x = normal(c.K, 3), r = scales(c.K, 4);
    std::vector<float> y(static_cast<std::size_t>(K64));
    kernels::TransformRowsF32Args args;
    args.y = y.data(), args.ldy = K64, args.x = x.data(), args.ldx = c.K, args.M = 1, args.K = c.K;
    args.transform = {r.data(), c.rotation.n, c.rotation.thirds, c.rotation.in_lane};
    table.transform_rows_f32(args);
    std::vector<double> want(y.size());
    for (std::size_t k = 0; k < x.size(); ++k) want[k] = double{x[k] * r[k]};
    rotate(want.data(), K64, c.rotation);
    const double length = std::sqrt(c.rotation.any() ? c.rotation.gain() : 1);
    for (std::size_t k = 0; k < y.size(); ++k) ASSERT_NEAR(double{y[k]}, want[k], 1e-5 * length);
  }
}

TEST(QuantizedLinear, TransformedProductIsTheProduct) {
  for (const Case& c : cases()) {
    const std::int64_t K64 = kernels::padded_k(c.K);
    const auto x = normal(c.K, 5), w = normal(c.K, 6);
    const LinearRecipe recipe{c.rotation, scales(c.K, 7)};
    std::vector<double> rx(static_cast<std::size_t>(K64)), rw(rx.size());
    double want = 0, got = 0;
    for (std::size_t k = 0; k < x.size(); ++k) {
      rx[k] = double{x[k]} * double{recipe.r[k]};
      want += double{x[k]} * double{w[k]};
    }
    rotate(rx.data(), K64, c.rotation);
    transform_weights(rw.data(), w.data(), c.K, recipe);
    for (std::size_t k = 0; k < rx.size(); ++k) got += rx[k] * rw[k];
    EXPECT_NEAR(got, want, 1e-12 * std::max(1.0, std::abs(want))) << c.K;
  }
}

TEST(QuantizedLinear, PlainIsTheSchemeOfTheGoldens) {
  Threads threads(2);
  for (const std::int64_t K : {1, 63, 64, 65, 384}) {
    const std::int64_t N = 37, K64 = kernels::padded_k(K);
    std::vector<float> w = normal(N * K, 8);
    std::fill(w.begin(), w.begin() + K, 0.0f);
    std::vector<std::int8_t> q(w.size());
    std::vector<float> scale(static_cast<std::size_t>(N));
    quantize_channels_s8(q.data(), scale.data(), w.data(), N, K);
    const QuantizedRows rows = quantize_rows(threads, w.data(), N, K);
    EXPECT_EQ(rows.q, q);
    EXPECT_EQ(rows.scale, scale);
    const QuantizedLinear layer = quantize_linear(threads, w.data(), N, K, {});
    EXPECT_EQ(layer.scale, scale);
    for (std::int64_t n = 0; n < N; ++n) {
      for (std::int64_t k = 0; k < K64; ++k) {
        ASSERT_EQ(layer.q[static_cast<std::size_t>(n * K64 + k)],
                  k < K ? q[static_cast<std::size_t>(n * K + k)] : 0);
      }
    }
  }
}

TEST(QuantizedLinear, SameOnAnyNumberOfThreads) {
  const std::int64_t N = 50, K = 384;
  const auto w = normal(N * K, 9);
  const LinearRecipe recipe{default_rotation(K), scales(K, 10)};
  Threads one(1), three(3);
  const QuantizedLinear want = quantize_linear(one, w.data(), N, K, recipe),
                        got = quantize_linear(three, w.data(), N, K, recipe);
  EXPECT_EQ(got.q, want.q);
  EXPECT_EQ(got.scale, want.scale);
}

// Half a step of the transformed weights is the most that is lost, spread by the way back.
TEST(QuantizedLinear, DequantizedIsNear) {
  Threads threads(2);
  for (const Case& c : cases()) {
    const std::int64_t N = 11;
    const auto w = normal(N * c.K, 11);
    const LinearRecipe recipe{c.rotation, scales(c.K, 12)};
    const QuantizedLinear layer = quantize_linear(threads, w.data(), N, c.K, recipe);
    std::vector<float> back(w.size());
    dequantize(threads, back.data(), layer);
    const double gain = c.rotation.any() ? c.rotation.gain() : 1;
    for (std::int64_t n = 0; n < N; ++n) {
      const double step = double{layer.scale[static_cast<std::size_t>(n)]};
      double squares = 0;
      for (std::int64_t k = 0; k < c.K; ++k) {
        const auto i = static_cast<std::size_t>(n * c.K + k);
        const double e =
            (double{back[i]} - double{w[i]}) / double{recipe.r[static_cast<std::size_t>(k)]};
        squares += e * e;
      }
      const double bound = step / 2 * std::sqrt(gain * static_cast<double>(layer.ldq()));
      EXPECT_LE(std::sqrt(squares), bound * (1 + 1e-4)) << c.K;
    }
  }
}

// The relative error of normally distributed weights in 4 bits, and what it cannot exceed: half a
// step of the group where nothing is clipped.
TEST(FourBits, ErrorOfNormalWeights) {
  Threads threads(2);
  const std::int64_t N = 64, K = 768;
  const auto w = normal(N * K, 13);
  for (const Rotation& rotation : {Rotation{}, default_rotation(K)}) {
    const QuantizedLinear layer =
        quantize_linear(threads, w.data(), N, K, {rotation, {}}, WeightBits::kFour);
    ASSERT_EQ(layer.bits(), WeightBits::kFour);
    std::vector<float> back(w.size());
    dequantize(threads, back.data(), layer);
    double errors = 0, squares = 0;
    for (std::size_t i = 0; i < w.size(); ++i) {
      const double e = double{back[i]} - double{w[i]};
      errors += e * e;
      squares += double{w[i]} * double{w[i]};
    }
    const double relative = std::sqrt(errors / squares);
    EXPECT_LT(relative, 0.085);  // rounding to 16 steps of ±2.2σ: 2·2.2/15/√12 = 0.085
    EXPECT_GT(relative, 0.05);
  }
}

TEST(FourBits, NumbersThatFitAreExact) {
  Threads threads(1);
  const std::int64_t N = 3, K = 100;  // the last group has 4 of them, and zeros
  std::vector<float> w(static_cast<std::size_t>(N * K));
  for (std::size_t i = 0; i < w.size(); ++i) {
    const auto k = static_cast<std::int64_t>(i) % K;
    // Groups of scales 127, 64, 0 and 1, each with its -8; the second row is all zeros.
    const double t[] = {127, -64, 0, 1};
    const double q = k % 32 == 0 ? -8 : static_cast<double>(k * 5 % 16) - 8;
    w[i] = static_cast<std::int64_t>(i) / K == 1 ? 0.0f : static_cast<float>(0.25 * t[k / 32] * q);
  }
  const QuantizedLinear layer = quantize_linear(threads, w.data(), N, K, {}, WeightBits::kFour);
  EXPECT_EQ(layer.scale, (std::vector<float>{0.25f, 0.0f, 0.25f}));
  std::vector<float> back(w.size());
  dequantize(threads, back.data(), layer);
  EXPECT_EQ(back, w);
  EXPECT_EQ(layer.t, (std::vector<std::int8_t>{127, -64, 0, 1, 0, 0, 0, 0, 127, -64, 0, 1}));
}

TEST(FourBits, RangesHoldWhateverTheWeights) {
  Threads threads(1);
  const std::int64_t K = 64;
  for (const float extreme : {1e-42f, 1e-30f, 1.0f, 3e38f}) {
    std::vector<float> w = normal(K, 14);
    w[5] = extreme, w[40] = -extreme;
    const QuantizedLinear layer = quantize_linear(threads, w.data(), 1, K, {}, WeightBits::kFour);
    for (const std::int8_t q : layer.q) EXPECT_TRUE(q >= -8 && q <= 7);
    EXPECT_TRUE(std::isfinite(layer.scale[0]));
  }
  const std::int64_t wide = kernels::kMaxKS4 + 1;
  const auto w = normal(wide, 15);
  EXPECT_THROW(
      static_cast<void>(quantize_linear(threads, w.data(), 1, wide, {}, WeightBits::kFour)), Error);
}

TEST(FourBits, SameOnAnyNumberOfThreads) {
  const std::int64_t N = 50, K = 384;
  const auto w = normal(N * K, 9);
  const LinearRecipe recipe{default_rotation(K), scales(K, 10)};
  Threads one(1), three(3);
  const QuantizedLinear want = quantize_linear(one, w.data(), N, K, recipe, WeightBits::kFour),
                        got = quantize_linear(three, w.data(), N, K, recipe, WeightBits::kFour);
  EXPECT_EQ(got.q, want.q);
  EXPECT_EQ(got.t, want.t);
  EXPECT_EQ(got.scale, want.scale);
}

TEST(QuantizedLinear, PlainIsStableUnderTheWayBack) {
  Threads threads(1);
  const std::int64_t N = 40, K = 100;
  const auto w = normal(N * K, 13);
  const QuantizedLinear once = quantize_linear(threads, w.data(), N, K, {});
  std::vector<float> back(w.size());
  dequantize(threads, back.data(), once);
  EXPECT_EQ(quantize_linear(threads, back.data(), N, K, {}).q, once.q);
}

void expect_refused(LinearRecipe recipe, const char* words) {
  Threads threads(1);
  const std::vector<float> w(64);
  try {
    quantize_linear(threads, w.data(), 1, 64, std::move(recipe));
    FAIL() << words;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
  }
}

TEST(QuantizedLinear, RefusesRecipesThatDoNotFit) {
  expect_refused({{8, false, false}, {}}, "n = 8 does not fit 64 inputs");
  expect_refused({{4, true, false}, {}}, "n = 4, thirds does not fit");
  expect_refused({{}, std::vector<float>(63, 1.0f)}, "r has 63 numbers, expected 64");
  for (const float bad : {0.0f, -1.0f, NAN, INFINITY}) {
    std::vector<float> r(64, 1.0f);
    r[63] = bad;
    expect_refused({{}, r}, "expected finite numbers above 0");
  }
}

}  // namespace
}  // namespace linnet::compress
