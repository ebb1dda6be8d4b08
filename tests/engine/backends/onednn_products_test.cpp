// Products of the oneDNN plug-in against linnet's own, for every type and epilogue.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <thread>
#include <tuple>
#include <vector>

#include "engine/models/pack_linear.h"
#include "kernels/kernel_table.h"
#include "tests/engine/backends/onednn.h"
#include "tests/support/guarded_buffer.h"

namespace linnet::onednn {
namespace {

using kernels::Activation;

constexpr auto size = [](std::int64_t n) { return static_cast<std::size_t>(n); };

// The product of one layer in linnet's FP32 kernels, with operands that may be rounded before.
struct Product {
  std::int64_t M, N, K;
  Activation activation = Activation::kNone;
  bool with_bias = true, with_residual = false;
  std::int64_t gap = 0;  // elements between the rows of x, y and residual
  std::vector<float> x = numbers(M * (K + gap), 1), w = numbers(N * K, 2), bias = numbers(N, 3);
  std::vector<float> residual = numbers(M * (N + gap), 4);

  static std::vector<float> numbers(std::int64_t n, unsigned seed) {
    std::mt19937 rng(seed);
    std::uniform_real_distribution<float> u(-1, 1);
    std::vector<float> v(size(n));
    for (float& f : v) f = u(rng);
    return v;
  }

  std::vector<float> native() const {
    const kernels::KernelTable table = kernels::make_table(kernels::supported_isas().back());
    std::vector<float> packed(size(table.gemm_f32.packed_floats(N, K)) + 16);
    float* const aligned =
        packed.data() + (64 - reinterpret_cast<std::uintptr_t>(packed.data()) % 64) / 4 % 16;
    table.gemm_f32.pack(aligned, w.data(), K, 1, N, K, 0, N);
    std::vector<float> y(size(M * (N + gap)), -99.0f);
    kernels::GemmF32Args args = {.y = y.data(), .ldy = N + gap, .x = x.data(), .ldx = K + gap};
    args.w = aligned;
    args.bias = with_bias ? bias.data() : nullptr;
    args.residual = with_residual ? residual.data() : nullptr;
    args.ld_residual = N + gap;
    args.activation = activation;
    args.M = M, args.N = N, args.K = K, args.n_end = N;
    table.gemm_f32.run(args);
    return y;
  }

  Layer layer(const Plugin& plugin, LinnetOneDnnType type) const {
    LinnetOneDnnLayerArgs args{};
    args.type = type;
    args.N = N, args.K = K;
    args.weights = w.data();
    args.bias = with_bias ? bias.data() : nullptr;
    return Layer(plugin, args);
  }

  LinnetOneDnnRunArgs arguments(const void* x_data, float* y) const {
    LinnetOneDnnRunArgs args{};
    args.M = M;
    args.x = x_data, args.ldx = K + gap;
    args.y = y, args.ldy = N + gap;
    args.activation = static_cast<std::int32_t>(activation);
    args.residual = with_residual ? residual.data() : nullptr;
    args.ld_residual = N + gap;
    return args;
  }

  // Two sums of K products below 1, whose roundings add up as the square root of K. The
  // activations grow by 1.13 at most and are approximated to some units of the sixth decimal.
  double tolerance() const {
    const double root = std::sqrt(static_cast<double>(K));
    const double sums = 8 * root * 0x1p-24 * root;
    return 1.2 * sums + (activation == Activation::kNone ? 1e-6 : 1e-5);
  }
  void expect_near(const std::vector<float>& y) const {
    const std::vector<float> want = native();
    for (std::size_t i = 0; i < want.size(); ++i) {
      ASSERT_NEAR(y[i], want[i], tolerance() + 1e-6 * std::abs(want[i]))
          << "M " << M << " N " << N << " K " << K << " element " << i;
    }
  }
};

std::uint16_t to_bf16(float f) {
  const auto bits = std::bit_cast<std::uint32_t>(f);
  return static_cast<std::uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}
float from_bf16(std::uint16_t h) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(h) << 16);
}

constexpr std::int64_t kRows[] = {1, 2, 7, 16, 63, 64, 65, 129, 513, 600};

class Shapes : public testing::TestWithParam<std::pair<std::int64_t, std::int64_t>> {
 protected:
  const std::int64_t N = GetParam().first, K = GetParam().second;
};

TEST_P(Shapes, Float32IsNative) {
  LINNET_NEEDS_ONEDNN(plugin);
  Threads threads(2);
  for (const std::int64_t M : kRows) {
    const Product p{M, N, K};
    std::vector<float> y(size(M * N));
    p.layer(plugin, kLinnetOneDnnF32).run(threads, p.arguments(p.x.data(), y.data()));
    ASSERT_NO_FATAL_FAILURE(p.expect_near(y));
  }
}

TEST_P(Shapes, Bfloat16IsNativeOnRoundedOperands) {
  LINNET_NEEDS_ONEDNN(plugin);
  Threads threads(2);
  for (const std::int64_t M : kRows) {
    Product p{M, N, K};
    std::optional<Layer> layer;
    try {
      layer.emplace(p.layer(plugin, kLinnetOneDnnBf16));
    } catch (const Error& e) {
      GTEST_SKIP() << e.what();
    }
    std::vector<std::uint16_t> x;
    for (float& f : p.x) f = from_bf16(x.emplace_back(to_bf16(f)));
    for (float& f : p.w) f = from_bf16(to_bf16(f));
    std::vector<float> y(size(M * N));
    layer->run(threads, p.arguments(x.data(), y.data()));
    ASSERT_NO_FATAL_FAILURE(p.expect_near(y));
  }
}

// Quantised operands in both forms: for linnet's kernel and for the plug-in.
struct Int8Product {
  std::int64_t M, N, K;
  kernels::KernelTable table = kernels::make_table(kernels::supported_isas().back());
  std::int64_t ld = kernels::padded_k(K);
  std::vector<std::int8_t> w = std::vector<std::int8_t>(size(N * K));
  std::vector<std::uint8_t> x = std::vector<std::uint8_t>(size(M * ld), 0), shifted = x;
  std::vector<float> x_scale = Product::numbers(M, 5), w_scale = Product::numbers(N, 6);
  std::vector<float> bias = Product::numbers(N, 7), residual = Product::numbers(M * (N + 3), 8);
  Activation activation = Activation::kNone;
  bool with_residual = false;
  std::int64_t gap = 0;  // elements between the rows of y and residual

  Int8Product(std::int64_t m, std::int64_t n, std::int64_t k) : M(m), N(n), K(k) {
    // Mostly the extremes, whose sums of two would saturate in 16 bits.
    std::mt19937 rng(static_cast<unsigned>(m + n + k));
    const auto number = [&] {
      const unsigned r = rng() % 512;
      return static_cast<int>(r < 255 ? r : (r & 1u) != 0 ? 254 : 0) - 127;
    };
    for (std::int8_t& q : w) q = static_cast<std::int8_t>(number());
    for (std::int64_t r = 0; r < M; ++r) {
      for (std::int64_t c = 0; c < K; ++c)
        x[size(r * ld + c)] = static_cast<std::uint8_t>(number());
    }
    for (std::size_t i = 0; i < x.size(); ++i) {
      shifted[i] = static_cast<std::uint8_t>(x[i] + table.gemm_s8.shift);
    }
  }

  std::vector<float> native() const {
    const std::size_t bytes = size((N + 15) / 16 * 16 * kernels::column_bytes_s8(K));
    std::vector<std::int8_t> packed(bytes + 64);
    std::int8_t* const aligned =
        packed.data() + (64 - reinterpret_cast<std::uintptr_t>(packed.data()) % 64) % 64;
    table.pack_s8(aligned, w.data(), K, 1, K, 0, N);
    std::vector<float> y(size(M * (N + gap)), -99.0f);
    kernels::GemmS8Args args = {.y = y.data(), .ldy = N + gap, .x = shifted.data(), .ldx = ld};
    args.x_scale = x_scale.data();
    args.w = aligned;
    args.w_scale = w_scale.data();
    args.bias = bias.data();
    args.residual = with_residual ? residual.data() : nullptr;
    args.ld_residual = N + gap;
    args.activation = activation;
    args.M = M, args.N = N, args.K = K, args.n_end = N;
    table.gemm_s8.run(args);
    return y;
  }

  LinnetOneDnnLayerArgs layer() const {
    LinnetOneDnnLayerArgs args{};
    args.type = kLinnetOneDnnS8;
    args.N = N, args.K = K;
    args.weights = w.data();
    args.weight_scale = w_scale.data();
    args.bias = bias.data();
    return args;
  }
  LinnetOneDnnRunArgs arguments(float* y) const {
    LinnetOneDnnRunArgs args{};
    args.M = M;
    args.x = x.data(), args.ldx = ld, args.x_scale = x_scale.data();
    args.y = y, args.ldy = N + gap;
    args.residual = with_residual ? residual.data() : nullptr;
    args.ld_residual = N + gap;
    args.activation = static_cast<std::int32_t>(activation);
    args.activate = [](const void* kernels, float* v, std::int64_t n, std::int32_t f) {
      static_cast<const kernels::KernelTable*>(kernels)->activate_f32(v, v, n,
                                                                      static_cast<Activation>(f));
    };
    args.kernels = &table;
    return args;
  }
};

testing::AssertionResult same_bits(const std::vector<float>& got, const std::vector<float>& want) {
  for (std::size_t i = 0; i < want.size(); ++i) {
    if (std::bit_cast<std::uint32_t>(got[i]) != std::bit_cast<std::uint32_t>(want[i])) {
      return testing::AssertionFailure()
             << "element " << i << ": " << got[i] << ", expected " << want[i];
    }
  }
  return testing::AssertionSuccess();
}

TEST_P(Shapes, Int8HasTheBitsOfNative) {
  LINNET_NEEDS_ONEDNN(plugin);
  Threads threads(2);
  for (const std::int64_t M : kRows) {
    const Int8Product p(M, N, K);
    std::optional<Layer> layer;
    try {
      layer.emplace(plugin, p.layer());
    } catch (const Error& e) {
      GTEST_SKIP() << e.what();
    }
    std::vector<float> y(size(M * N));
    layer->run(threads, p.arguments(y.data()));
    ASSERT_TRUE(same_bits(y, p.native())) << "M " << M;
  }
}

INSTANTIATE_TEST_SUITE_P(Products, Shapes,
                         testing::Values(std::pair{1, 1}, std::pair{17, 33}, std::pair{100, 70},
                                         std::pair{384, 384}, std::pair{1536, 384},
                                         std::pair{384, 1536}, std::pair{65, 769}),
                         [](const auto& p) {
                           std::string name = "N";
                           name += std::to_string(p.param.first);
                           name += "_K";
                           return name + std::to_string(p.param.second);
                         });

using Epilogue = std::tuple<Activation, bool, bool, std::int64_t>;
class Epilogues : public testing::TestWithParam<Epilogue> {};

TEST_P(Epilogues, AreNative) {
  LINNET_NEEDS_ONEDNN(plugin);
  const auto& [activation, with_bias, with_residual, gap] = GetParam();
  Threads threads(2);
  for (const std::int64_t M : {std::int64_t{1}, std::int64_t{70}}) {
    const Product p{M, 100, 70, activation, with_bias, with_residual, gap};
    std::vector<float> y(size(M * (p.N + gap)), -99.0f);  // as native() leaves the gaps
    p.layer(plugin, kLinnetOneDnnF32).run(threads, p.arguments(p.x.data(), y.data()));
    ASSERT_NO_FATAL_FAILURE(p.expect_near(y));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Products, Epilogues,
    testing::Combine(testing::Values(Activation::kNone, Activation::kGelu, Activation::kGeluTanh,
                                     Activation::kGelu10, Activation::kQuickGelu, Activation::kRelu,
                                     Activation::kSilu, Activation::kTanh, Activation::kSigmoid),
                     testing::Bool(), testing::Bool(), testing::Values(0, 3)));

// Of activation, any residual or none, gaps: linnet's own epilogue follows oneDNN's sums.
TEST(OneDnn, Int8EpiloguesHaveTheBitsOfNative) {
  LINNET_NEEDS_ONEDNN(plugin);
  Threads threads(2);
  for (const std::int64_t M : {1, 70, 200}) {
    Int8Product p(M, 100, 70);
    std::optional<Layer> layer;
    try {
      layer.emplace(plugin, p.layer());
    } catch (const Error& e) {
      GTEST_SKIP() << e.what();
    }
    for (int f = 0; f <= static_cast<int>(Activation::kSigmoid); ++f) {
      for (const std::int64_t gap : {0, 3}) {
        p.activation = static_cast<Activation>(f), p.gap = gap;
        for (const bool residual : {false, true}) {
          p.with_residual = residual;
          std::vector<float> y(size(M * (p.N + gap)), -99.0f);
          layer->run(threads, p.arguments(y.data()));
          ASSERT_TRUE(same_bits(y, p.native())) << "M " << M << " activation " << f;
        }
        std::vector<float> y(p.residual.begin(), p.residual.begin() + M * (p.N + gap));
        LinnetOneDnnRunArgs args = p.arguments(y.data());
        args.residual = y.data();
        layer->run(threads, args);
        std::vector<float> want = p.native();
        for (std::int64_t i = 0; i < M * gap; ++i) {  // the gaps keep what they had
          const std::size_t at = size(i / gap * (p.N + gap) + p.N + i % gap);
          want[at] = p.residual[at];
        }
        ASSERT_TRUE(same_bits(y, want)) << "in place, M " << M << " activation " << f;
      }
    }
  }
}

// A layer of each INT8 kind from the same floats; K is no multiple of what rows are padded to.
TEST(OneDnn, Int8LayersOfBothBackendsHaveTheSameBits) {
  LINNET_NEEDS_ONEDNN(plugin);
  constexpr std::int64_t T = 37, N = 100, K = 70;
  const kernels::KernelTable table = kernels::make_table(kernels::supported_isas().back());
  Threads threads(2);
  std::vector<float> w = Product::numbers(N * K, 1), x = Product::numbers(T * K, 2);
  const std::vector<float> bias = Product::numbers(N, 3), residual = Product::numbers(T * N, 4);
  const std::int64_t shape[] = {N, K};
  const weights::TensorView tensor = {
      .name = "w", .shape = shape, .bytes = std::as_bytes(std::span(w))};

  OneDnnLayers layers;
  layers.plugin = plugin;
  std::vector<std::vector<float>> results;
  for (const Backend backend : {Backend::kLinnet, Backend::kOneDnn}) {
    const LinearKind kind = linear_kind(Precision::kInt8, backend);
    const Placed<LinearPlace> place(table, kind, N, K);
    std::copy(bias.begin(), bias.end(), place->bias);
    Linear layer = place->view();
    try {
      if (is_onednn(kind)) {
        layer = pack_in_onednn(layers, threads, *place, {&tensor, 1});
      } else {
        pack_linear(table, threads, *place, {&tensor, 1});
      }
    } catch (const Error& e) {
      GTEST_SKIP() << e.what();
    }
    const Block scratch(linear_scratch_bytes(kind, 2, T, K));
    std::vector<float>& y = results.emplace_back(residual);
    const Mat<float> out{y.data(), T, N, N};
    linear({table, threads, {scratch.data(), scratch.bytes()}}, out, {x.data(), T, K, K}, layer,
           {.activation = Activation::kGelu, .residual = out});
  }
  EXPECT_TRUE(same_bits(results[1], results[0]));
  EXPECT_NE(results[0], residual);
}

// With many inputs: partial sums must not overwrite what is still to be added.
TEST(OneDnn, ResidualMayBeTheResult) {
  LINNET_NEEDS_ONEDNN(plugin);
  Threads threads(2);
  for (const Activation activation : {Activation::kNone, Activation::kGelu, Activation::kGelu10}) {
    for (const std::int64_t gap : {0, 5}) {
      for (const std::int64_t M : {1, 16, 64, 130}) {
        const Product p{M, 384, 1536, activation, true, true, gap};
        std::vector<float> y = p.residual;
        LinnetOneDnnRunArgs args = p.arguments(p.x.data(), y.data());
        args.residual = y.data();
        p.layer(plugin, kLinnetOneDnnF32).run(threads, args);
        const std::vector<float> want = p.native();
        for (std::int64_t m = 0; m < M; ++m) {
          for (std::int64_t n = 0; n < p.N; ++n) {
            const std::size_t i = size(m * (p.N + gap) + n);
            ASSERT_NEAR(y[i], want[i], p.tolerance())
                << "M " << M << " gap " << gap << " row " << m << " column " << n;
          }
        }
      }
    }
  }
}

TEST(OneDnn, TouchesOnlyItsOwnBytes) {
  LINNET_NEEDS_ONEDNN(plugin);
  Threads threads(1);
  for (const std::int64_t M : {std::int64_t{1}, std::int64_t{65}}) {
    const Product p{M, 33, 17};
    test::GuardedBuffer<float> x(size(M * p.K)), y(size(M * p.N));
    std::memcpy(x.data(), p.x.data(), sizeof(float) * size(M * p.K));
    p.layer(plugin, kLinnetOneDnnF32).run(threads, p.arguments(x.data(), y.data()));
    ASSERT_NO_FATAL_FAILURE(p.expect_near({y.data(), y.data() + M * p.N}));
  }
}

TEST(OneDnn, NeverRunsItsReference) {
  LINNET_NEEDS_ONEDNN(plugin);
  const Product p{1, 384, 384};
  const Layer layer = p.layer(plugin, kLinnetOneDnnF32);
  for (std::int64_t M = 1; M <= 512; M += M < 64 ? 1 : 64) {
    EXPECT_EQ(layer.implementation(M).find("ref"), std::string::npos)
        << "M " << M << ": " << layer.implementation(M);
  }
}

TEST(OneDnn, ManyThreadsShareALayer) {
  LINNET_NEEDS_ONEDNN(plugin);
  const Product p{150, 100, 70};
  const Layer layer = p.layer(plugin, kLinnetOneDnnF32);
  std::vector<std::vector<float>> results(4, std::vector<float>(size(p.M * p.N)));
  std::vector<std::thread> workers;
  for (std::vector<float>& y : results) {
    workers.emplace_back([&] {
      Threads threads(2);
      for (std::int64_t M = 1; M <= p.M; ++M) {
        LinnetOneDnnRunArgs args = p.arguments(p.x.data(), y.data());
        args.M = M;
        layer.run(threads, args);
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  for (const std::vector<float>& y : results) ASSERT_NO_FATAL_FAILURE(p.expect_near(y));
}

}  // namespace
}  // namespace linnet::onednn
