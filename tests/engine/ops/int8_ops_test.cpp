// INT8 operations against their formulas, bit for bit, at every level and for any threads.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "engine/core/memory.h"
#include "engine/ops/embedding.h"
#include "engine/ops/layer_norm.h"
#include "engine/ops/linear.h"
#include "tests/kernels/levels.h"

namespace linnet {
namespace {

constexpr std::int64_t kT = 37, kN = 100, kK = 300, kK64 = kernels::padded_k(kK);

std::vector<float> mixed_floats(std::int64_t n, unsigned seed) {
  test::Rng rng(seed);
  std::vector<float> v(static_cast<std::size_t>(n));
  test::fill_mixed(v, rng);
  return v;
}

template <class T>
Mat<T> mat(std::vector<T>& v, std::int64_t cols) {
  return {v.data(), static_cast<std::int64_t>(v.size()) / cols, cols, cols};
}

/// An INT8 layer of all numbers -127 .. 127, and the recipe of its input.
struct Layer {
  std::vector<std::int8_t> w = std::vector<std::int8_t>(kN * kK64);  // [N, K64]
  std::vector<float> scale = mixed_floats(kN, 1), bias = mixed_floats(kN, 2),
                     r = mixed_floats(kK, 3);
  kernels::RowTransform transform;
  Block packed{(kN + 15) / 16 * 16 * kernels::column_bytes_s8(kK)};

  explicit Layer(const kernels::RowTransform& t) : transform(t) {
    test::Rng rng(4);
    for (std::int8_t& v : w) v = static_cast<std::int8_t>(static_cast<int>(rng() % 255) - 127);
    // A transform fills the padding of a row too.
    kernels::make_table(kernels::Isa::kReference)
        .pack_s8(reinterpret_cast<std::int8_t*>(packed.data()), w.data(), kK64, 1, kK64, 0, kN);
  }
  Linear view() const {
    return {.packed = packed.data(),
            .bias = bias.data(),
            .N = kN,
            .K = kK,
            .kind = LinearKind::kInt8,
            .scale = scale.data(),
            .transform = transform};
  }
};

// The formulas of quantize_rows_s8 and gemm_s8 for one row that is transformed already.
std::vector<float> product_of(const Layer& layer, const std::vector<float>& row) {
  float amax = 0;
  for (const float v : row) amax = std::max(amax, std::abs(v));
  const float inverse = 127 / amax, scale = amax / 127;
  std::vector<float> y;
  for (std::size_t n = 0; n < kN; ++n) {
    std::int64_t sum = 0;
    for (std::size_t k = 0; k < kK64; ++k) {
      sum += std::lrint(row[k] * inverse) * layer.w[n * kK64 + k];
    }
    y.push_back(std::fma(static_cast<float>(sum) * scale, layer.scale[n], layer.bias[n]));
  }
  return y;
}

std::vector<kernels::RowTransform> transforms(const float* r) {
  return {{},
          {.r = r, .n = 0, .thirds = false, .in_lane = false},
          {.r = nullptr, .n = 4, .thirds = false, .in_lane = false},
          {.r = r, .n = 4, .thirds = false, .in_lane = true}};
}

TEST(LinearInt8, TransformsAndQuantisesEachRowAndIsTheSameForAnyThreads) {
  std::vector<float> x = mixed_floats(kT * kK, 5), r = mixed_floats(kK, 6);
  for (const kernels::RowTransform& transform : transforms(r.data())) {
    const Layer layer(transform);
    std::vector<float> rows(kT * kK64), want;
    kernels::make_table(kernels::Isa::kReference)
        .transform_rows_f32({.y = rows.data(),
                             .ldy = kK64,
                             .x = x.data(),
                             .ldx = kK,
                             .M = kT,
                             .K = kK,
                             .transform = transform});
    for (auto row = rows.begin(); row != rows.end(); row += kK64) {
      const std::vector<float> y = product_of(layer, {row, row + kK64});
      want.insert(want.end(), y.begin(), y.end());
    }
    for (const kernels::Isa isa : test::levels()) {
      const kernels::KernelTable table = kernels::make_table(isa);
      for (const int count : {1, 2, 3, 7}) {
        Threads threads(count);
        Block scratch(linear_scratch_bytes(LinearKind::kInt8, count, kT, kK));
        std::vector<float> y(kT * kN);
        linear({table, threads, {scratch.data(), scratch.bytes()}}, mat(y, kN), mat(x, kK),
               layer.view());
        EXPECT_TRUE(test::same_bits(y, want))
            << kernels::name(isa) << ", " << count << " threads, n " << transform.n;
      }
    }
  }
}

// A layer of 4 bits whose groups all have t = 1 is an INT8 layer of small numbers.
TEST(LinearInt4, IsTheInt8LayerOfTheSameNumbers) {
  std::vector<float> x = mixed_floats(kT * kK, 5), r = mixed_floats(kK, 6);
  for (const kernels::RowTransform& transform : transforms(r.data())) {
    Layer layer(transform);
    for (std::int8_t& v : layer.w) v = static_cast<std::int8_t>(v % 8);
    std::vector<std::int8_t> t(kN * kK64 / kernels::kGroupS4, 1);
    Block four((kN + 15) / 16 * 16 * kernels::column_bytes_s4(kK));
    Linear eight = layer.view(), int4 = layer.view();
    int4.packed = four.data();
    int4.kind = LinearKind::kInt4;
    for (const kernels::Isa isa : test::levels()) {
      const kernels::KernelTable table = kernels::make_table(isa);
      table.pack_s8(reinterpret_cast<std::int8_t*>(layer.packed.data()), layer.w.data(), kK64, 1,
                    kK64, 0, kN);
      table.pack_s4(reinterpret_cast<std::int8_t*>(four.data()), layer.w.data(), t.data(), kK, 0,
                    kN);
      for (const int count : {1, 3}) {
        Threads threads(count);
        Block scratch(linear_scratch_bytes(LinearKind::kInt4, count, kT, kK));
        const Context ctx{table, threads, {scratch.data(), scratch.bytes()}};
        std::vector<float> want(kT * kN), got(kT * kN);
        const LinearEpilogue epilogue{.activation = kernels::Activation::kGeluTanh};
        linear(ctx, mat(want, kN), mat(x, kK), eight, epilogue);
        linear(ctx, mat(got, kN), mat(x, kK), int4, epilogue);
        EXPECT_TRUE(test::same_bits(got, want)) << kernels::name(isa) << ", " << count;
      }
    }
  }
}

// In one pass or in two: the same rows for the residual and for the next product.
TEST(LayerNormInt8, IsLayerNormThenPrepare) {
  std::vector<float> x = mixed_floats(kT * kK, 5), r = mixed_floats(kK, 6);
  const std::vector<float> gamma = mixed_floats(kK, 7), beta = mixed_floats(kK, 8);
  const LayerNorm norm{gamma.data(), beta.data(), 1e-5f};
  for (const LinearKind kind : {LinearKind::kInt8, LinearKind::kBfloat16, LinearKind::kFloat32}) {
    Linear consumer;
    consumer.N = kN, consumer.K = kK, consumer.kind = kind;
    if (kind == LinearKind::kInt8) consumer.transform = transforms(r.data()).back();
    for (const kernels::Isa isa : test::levels()) {
      const kernels::KernelTable table = kernels::make_table(isa);
      for (const int count : {1, 2, 3}) {
        Threads threads(count);
        Block memory[2] = {Block(linear_scratch_bytes(kind, count, kT, kK)),
                           Block(linear_scratch_bytes(kind, count, kT, kK))};
        std::vector<float> fused = x, apart = x;
        const Operand a = layer_norm({table, threads, {memory[0].data(), memory[0].bytes()}},
                                     mat(fused, kK), norm, consumer);
        const Context ctx{table, threads, {memory[1].data(), memory[1].bytes()}};
        layer_norm(ctx, mat(apart, kK), norm);
        const Operand b = prepare(ctx, mat(apart, kK), consumer);
        EXPECT_TRUE(test::same_bits(fused, apart));
        EXPECT_EQ(a.x.data, fused.data());
        ASSERT_EQ(a.ld, b.ld);
        if (kind == LinearKind::kFloat32) continue;  // its rows are those of x
        const std::int64_t size = kind == LinearKind::kBfloat16 ? 2 : 1;
        EXPECT_EQ(std::memcmp(a.rows, b.rows, static_cast<std::size_t>(kT * a.ld * size)), 0);
        if (kind != LinearKind::kInt8) continue;
        EXPECT_TRUE(test::same_bits({a.scale, kT}, {b.scale, kT})) << kernels::name(isa);
      }
    }
  }
}

TEST(EmbeddingInt8, WordsAreNumbersTimesTheScaleOfTheirRow) {
  constexpr std::int64_t V = 50, P = 20, T = 300, D = 72;
  std::vector<std::int8_t> words(V * D);
  std::vector<float> scale = mixed_floats(V, 1), type = mixed_floats(2 * D, 2),
                     position = mixed_floats(P * D, 3);
  std::vector<std::int32_t> tokens(T), types(T), positions(T);
  test::Rng rng(4);
  for (std::int8_t& w : words) w = static_cast<std::int8_t>(static_cast<int>(rng() % 255) - 127);
  for (std::size_t t = 0; t < T; ++t) {
    tokens[t] = static_cast<std::int32_t>(rng() % V);
    types[t] = static_cast<std::int32_t>(rng() % 2);
    positions[t] = static_cast<std::int32_t>(rng() % P);
  }
  const std::vector<std::int64_t> starts{0, T};
  std::vector<float> want;
  for (std::size_t t = 0; t < T; ++t) {
    const auto row = [&](const std::vector<std::int32_t>& ids) {
      return static_cast<std::size_t>(ids[t]) * D;
    };
    for (std::size_t d = 0; d < D; ++d) {
      const float word =
          static_cast<float>(words[row(tokens) + d]) * scale[static_cast<std::size_t>(tokens[t])];
      want.push_back((word + type[row(types) + d]) + position[row(positions) + d]);
    }
  }
  EmbeddingTables tables;
  tables.word_s8 = mat(words, D);
  tables.word_scale = scale.data();
  tables.type = mat(type, D);
  tables.position = mat(position, D);
  for (const kernels::Isa isa : test::levels()) {
    const kernels::KernelTable table = kernels::make_table(isa);
    for (const int count : {1, 2, 3}) {
      Threads threads(count);
      std::vector<float> x(T * D);
      embed({table, threads}, mat(x, D), tables, {tokens, positions, types, starts});
      EXPECT_TRUE(test::same_bits(x, want)) << kernels::name(isa) << ", " << count << " threads";
    }
  }
}

}  // namespace
}  // namespace linnet
