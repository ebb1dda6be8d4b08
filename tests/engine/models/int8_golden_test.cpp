// Layers in INT8, quantised while loading: the integers of one layer, whole models, the same bits.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/models/encoder_model.h"
#include "engine/models/encoder_session.h"
#include "engine/models/quantize_channels.h"
#include "tests/kernels/levels.h"
#include "tests/support/golden.h"

namespace linnet {
namespace {

using test::GoldenBatch;
using test::GoldenFile;
using Json = nlohmann::json;

std::filesystem::path folder() { return test::data_dir() / "goldens/int8_bert_seqcls"; }

class Int8Golden : public testing::Test {
 protected:
  void SetUp() override { LINNET_NEEDS(folder()); }
};

EncoderModel load(kernels::Isa isa) {
  LoadOptions options;
  options.isa = isa;
  options.precision = Precision::kInt8;
  return load_encoder(weights::Checkpoint(folder().string()), options);
}

std::vector<float> logits_of(const EncoderModel& model, int threads, const Batch& batch) {
  EncoderSession session(model, {.threads = threads});
  const std::int64_t C = model.head.sequence_classifier.N;
  std::vector<float> logits(static_cast<std::size_t>(batch.B() * C));
  EncoderOutputs out;
  out.sequence_logits = {logits.data(), batch.B(), C, C};
  session.run(batch, out);
  return logits;
}

// The layer whose integers the case has.
TEST_F(Int8Golden, IntegersOfALayer) {
  const GoldenFile io(folder() / "io.safetensors");
  const weights::Checkpoint checkpoint(folder().string());
  const weights::TensorView* w =
      checkpoint.find("bert.encoder.layer.0.attention.self.query.weight");
  ASSERT_NE(w, nullptr);
  const auto w_q = io.values<std::int8_t>("linear.w_q"), x_q = io.values<std::int8_t>("linear.x_q");
  const auto w_scale = io.values<double>("linear.w_scale"),
             x_scale = io.values<double>("linear.x_scale");
  const std::int64_t N = io.shape("linear.w_q")[0], K = io.shape("linear.w_q")[1];

  std::vector<std::int8_t> q(w_q.size());
  std::vector<float> scale(w_scale.size());
  quantize_channels_s8(q.data(), scale.data(), reinterpret_cast<const float*>(w->bytes.data()), N,
                       K);
  EXPECT_EQ(q, w_q);
  for (std::size_t n = 0; n < scale.size(); ++n)
    EXPECT_EQ(scale[n], static_cast<float>(w_scale[n]));

  // y = acc · x_scale · w_scale + bias, at every level, of the activations as they are.
  const auto exact = io.values<double>("linear.x");
  const std::vector<float> x(exact.begin(), exact.end());
  const auto acc = io.values<std::int32_t>("linear.acc");
  const auto M = static_cast<std::int64_t>(x_scale.size());
  for (const kernels::Isa isa : test::levels()) {
    const EncoderModel model = load(isa);
    const Linear& qkv = model.weights.layers[0].qkv;  // its first N outputs
    std::vector<float> y(static_cast<std::size_t>(M * qkv.N));
    std::vector<std::byte> memory(
        static_cast<std::size_t>(linear_scratch_bytes(qkv.kind, 2, M, K)) + 64);
    auto* at = reinterpret_cast<std::byte*>((reinterpret_cast<std::uintptr_t>(memory.data()) + 63) /
                                            64 * 64);
    Threads threads(2);
    linear({model.kernels, threads, {at, static_cast<std::int64_t>(memory.size()) - 64}},
           {y.data(), M, qkv.N, qkv.N}, Mat<const float>{x.data(), M, K, K}, qkv);
    for (std::int64_t m = 0; m < M; ++m) {
      for (std::int64_t n = 0; n < N; ++n) {
        const double want = acc[static_cast<std::size_t>(m * N + n)] *
                                x_scale[static_cast<std::size_t>(m)] *
                                w_scale[static_cast<std::size_t>(n)] +
                            double{qkv.bias[n]};
        EXPECT_NEAR(y[static_cast<std::size_t>(m * qkv.N + n)], want,
                    2e-6 * std::max(1.0, std::abs(want)))
            << m << ", " << n << " " << kernels::name(isa);
      }
    }
  }
}

TEST_F(Int8Golden, WholeModel) {
  const GoldenFile io(folder() / "io.safetensors");
  std::ifstream file(folder() / "case.json");
  const Json details = Json::parse(file);
  double sensitivity = 0;
  for (const auto& [batch, value] : details.at("sensitivity").at("blocks").items()) {
    sensitivity = std::max(sensitivity, value.get<double>());
  }
  const EncoderModel model = load(choose_isa());
  for (const std::string name : {"b0", "b1", "b2", "b3"}) {
    const GoldenBatch g(io, name);
    const auto got = logits_of(model, 2, {g.tokens, g.positions, g.types, g.starts});
    const auto exact = io.values<double>(name + ".logits_f64"),
               int8 = io.values<double>(name + ".int8_reference.blocks.logits");
    ASSERT_EQ(got.size(), exact.size());
    double squares = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
      squares += (got[i] - exact[i]) * (got[i] - exact[i]);
      EXPECT_NEAR(got[i], int8[i], 3 * sensitivity) << name << " " << i;
    }
    const double rms = std::sqrt(squares / static_cast<double>(got.size()));
    EXPECT_LE(rms, 1.5 * details.at("stats").at(name + ".blocks").at("rms").get<double>()) << name;
    EXPECT_GT(rms, 0) << name;  // or this was not INT8
  }
}

TEST_F(Int8Golden, SameBits) {
  const GoldenFile io(folder() / "io.safetensors");
  const GoldenBatch g(io, "b0");
  const Batch batch{g.tokens, g.positions, g.types, g.starts};
  const std::vector<float> want = logits_of(load(kernels::Isa::kReference), 1, batch);
  for (const kernels::Isa isa : test::levels()) {
    const EncoderModel model = load(isa);
    const auto C = static_cast<std::size_t>(model.head.sequence_classifier.N);
    for (const int threads : {1, 2, 3}) {
      EXPECT_EQ(logits_of(model, threads, batch), want) << kernels::name(isa) << " " << threads;
    }
    for (std::size_t b = 0; b + 1 < g.starts.size(); ++b) {  // each sequence alone
      const auto begin = static_cast<std::size_t>(g.starts[b]),
                 n = static_cast<std::size_t>(g.starts[b + 1]) - begin;
      const std::int64_t starts[] = {0, static_cast<std::int64_t>(n)};
      const auto part = [&](const std::vector<std::int32_t>& all) {
        return std::span(all).subspan(begin, n);
      };
      const std::vector<float> alone =
          logits_of(model, 1, {part(g.tokens), part(g.positions), part(g.types), starts});
      EXPECT_TRUE(
          std::equal(alone.begin(), alone.end(), want.begin() + static_cast<std::ptrdiff_t>(b * C)))
          << kernels::name(isa) << " " << b;
    }
  }
}

}  // namespace
}  // namespace linnet
