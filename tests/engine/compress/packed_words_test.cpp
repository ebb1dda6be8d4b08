// Word embeddings that are the weights of a layer in INT8 or 4 bits: the rows looked up are those
// that the layer's product multiplies with.
#include <gtest/gtest.h>

#include <cmath>

#include "engine/compress/quantized_linear.h"
#include "engine/models/pack_linear.h"
#include "engine/ops/embedding.h"
#include "tests/kernels/levels.h"

namespace linnet {
namespace {

struct Words {
  std::int64_t V, D;
  compress::LinearRecipe recipe;
  compress::WeightBits bits = compress::WeightBits::kEight;
};

std::vector<Words> cases() {
  std::vector<Words> all;
  for (const std::int64_t D : {48, 72, 128, 192, 384}) {
    for (const auto bits : {compress::WeightBits::kEight, compress::WeightBits::kFour}) {
      all.push_back({131, D, {}, bits});
      for (const compress::InLane in_lane : {compress::InLane::kNo, compress::InLane::kYes}) {
        all.push_back({50, D, {compress::default_rotation(D, in_lane), {}}, bits});
      }
    }
  }
  return all;
}

LinearKind kind_of(const compress::QuantizedLinear& layer) {
  return layer.bits() == compress::WeightBits::kFour ? LinearKind::kInt4 : LinearKind::kInt8;
}

Block pack(const compress::QuantizedLinear& layer) {
  Block packed(packed_bytes_integer(kind_of(layer), layer.N, layer.K));
  auto* bytes = reinterpret_cast<std::int8_t*>(packed.data());
  const kernels::KernelTable table = kernels::make_table(kernels::Isa::kReference);
  if (kind_of(layer) == LinearKind::kInt4) {
    table.pack_s4(bytes, layer.q.data(), layer.t.data(), layer.K, 0, layer.N);
  } else {
    table.pack_s8(bytes, layer.q.data(), layer.ldq(), 1, layer.ldq(), 0, layer.N);
  }
  return packed;
}

TEST(PackedWords, AreTheRowsThatTheLayerStandsFor) {
  for (const Words& c : cases()) {
    const std::int64_t V = c.V, D = c.D, T = 90;
    test::Rng rng(5);
    std::vector<float> w(static_cast<std::size_t>(V * D)), position(static_cast<std::size_t>(D));
    test::fill_uniform(w, -1, 1, rng);
    test::fill_uniform(position, -1, 1, rng);
    Threads one(1);
    const compress::QuantizedLinear layer =
        compress::quantize_linear(one, w.data(), V, D, c.recipe, c.bits);
    std::vector<float> rows(w.size());
    compress::dequantize(one, rows.data(), layer);

    const Block packed = pack(layer);
    EmbeddingTables tables;
    tables.word_packed.packed = packed.data();
    tables.word_packed.N = V;
    tables.word_packed.K = D;
    tables.word_packed.kind = kind_of(layer);
    tables.word_packed.scale = layer.scale.data();
    tables.word_packed.transform = layer.transform();
    tables.position = {position.data(), 1, D, D};

    std::vector<std::int32_t> tokens;
    const std::vector<std::int32_t> positions(static_cast<std::size_t>(T), 0);
    for (std::int64_t t = 0; t < T; ++t)
      tokens.push_back(static_cast<std::int32_t>(rng() % static_cast<std::uint64_t>(V)));
    const std::vector<std::int64_t> starts{0, T};
    std::vector<float> first;
    for (const kernels::Isa isa : test::levels()) {
      const kernels::KernelTable table = kernels::make_table(isa);
      for (const int count : {1, 3}) {
        Threads threads(count);
        const Block scratch(packed_words_scratch_bytes(count, D));
        std::vector<float> x(static_cast<std::size_t>(T * D));
        embed({table, threads, {scratch.data(), scratch.bytes()}}, {x.data(), T, D, D}, tables,
              {tokens, positions, {}, starts});
        if (first.empty()) first = x;
        EXPECT_TRUE(test::same_bits(x, first)) << kernels::name(isa) << ", " << count;
      }
    }
    // Sums of up to n·3·16 terms of the size of the row's greatest, each rounded once.
    for (std::int64_t t = 0; t < T; ++t) {
      const std::int64_t token = tokens[static_cast<std::size_t>(t)];
      for (std::int64_t d = 0; d < D; ++d) {
        const auto i = static_cast<std::size_t>(t * D + d);
        const double want = double{rows[static_cast<std::size_t>(token * D + d)]} +
                            double{position[static_cast<std::size_t>(d)]};
        ASSERT_NEAR(first[i], want, 2e-6 * std::sqrt(layer.recipe.rotation.gain() + 1))
            << V << " " << D << " n " << layer.recipe.rotation.n << " at " << t << ", " << d;
      }
    }
  }
}

}  // namespace
}  // namespace linnet
