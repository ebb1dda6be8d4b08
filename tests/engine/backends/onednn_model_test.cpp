// A whole model with oneDNN's layers, in the precisions of its layers.
#include <gtest/gtest.h>

#include <cmath>
#include <string_view>
#include <vector>

#include "engine/core/context.h"
#include "engine/models/encoder_model.h"
#include "engine/tasks/embedder.h"
#include "tests/engine/backends/onednn.h"
#include "tests/support/data.h"

namespace linnet {
namespace {

constexpr std::string_view kTexts[] = {
    "bold", "A ride and a mess.",
    "Nothing is padded: the products of a pass have as many rows as its texts have tokens."};

std::vector<float> embed(Precision precision, Backend backend) {
  LoadOptions load;
  load.isa = choose_isa();
  load.threads = 2;
  load.precision = precision;
  load.backend = backend;
  const EmbeddingModel model = load_embedding_model(test::minilm_dir(), load);
  Embedder embedder(model, {.threads = 2});
  const std::int64_t D = model.dimensions();
  std::vector<float> y(static_cast<std::size_t>(3 * D));
  EXPECT_TRUE(embedder.embed(kTexts, {y.data(), 3, D, D}, {}).empty());
  return y;
}

double cosine(const std::vector<float>& a, const std::vector<float>& b) {
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += double{a[i]} * b[i], aa += double{a[i]} * a[i], bb += double{b[i]} * b[i];
  }
  return ab / std::sqrt(aa * bb);
}

TEST(OneDnnModel, Float32IsNative) {
  LINNET_NEEDS_ONEDNN(plugin);
  LINNET_NEEDS(test::minilm_dir());
  const auto want = embed(Precision::kFloat32, Backend::kLinnet);
  const auto got = embed(Precision::kFloat32, Backend::kOneDnn);
  EXPECT_GE(cosine(got, want), 0.999999);
  EXPECT_NE(got, want) << "the backend was not used";
}

TEST(OneDnnModel, Bfloat16IsNearAndIsWhatLinnetsIs) {
  LINNET_NEEDS_ONEDNN(plugin);
  LINNET_NEEDS(test::minilm_dir());
  std::vector<float> got;
  try {
    got = embed(Precision::kBfloat16, Backend::kOneDnn);
  } catch (const Error& e) {
    GTEST_SKIP() << e.what();
  }
  const double to_float32 = cosine(got, embed(Precision::kFloat32, Backend::kLinnet));
  EXPECT_GE(to_float32, 0.9998);
  EXPECT_LT(to_float32, 0.9999999) << "nothing was rounded";
  EXPECT_GE(cosine(got, embed(Precision::kBfloat16, Backend::kLinnet)), 0.9999);
}

// Sums of INT8 are exact, and what follows them is linnet's.
TEST(OneDnnModel, Int8HasTheBytesOfLinnets) {
  LINNET_NEEDS_ONEDNN(plugin);
  LINNET_NEEDS(test::minilm_dir());
  LoadOptions load;
  load.isa = choose_isa();
  load.precision = Precision::kInt8;
  load.backend = Backend::kOneDnn;
  try {
    const EncoderModel model = load_encoder(weights::Checkpoint(test::minilm_dir()), load);
    for (const EncoderLayer& layer : model.weights.layers) {
      for (const Linear* w :
           {&layer.qkv, &layer.attention_output, &layer.intermediate, &layer.output}) {
        EXPECT_EQ(w->kind, LinearKind::kOneDnnInt8);
        EXPECT_NE(w->onednn, nullptr);
      }
    }
  } catch (const Error& e) {
    GTEST_SKIP() << e.what();
  }
  const auto want = embed(Precision::kInt8, Backend::kLinnet);
  EXPECT_EQ(embed(Precision::kInt8, Backend::kOneDnn), want);
  const double to_float32 = cosine(want, embed(Precision::kFloat32, Backend::kLinnet));
  EXPECT_GE(to_float32, 0.99);
  EXPECT_LT(to_float32, 0.999999) << "nothing was quantised";
}

}  // namespace
}  // namespace linnet
