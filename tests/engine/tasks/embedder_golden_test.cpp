// Texts to embeddings, against sentence-transformers.
#include <gtest/gtest.h>

#include <array>

#include "engine/tasks/embedder.h"
#include "tests/support/golden.h"
#include "weights/base/json.h"

namespace linnet {
namespace {

namespace fs = std::filesystem;

LoadOptions best_level() {
  LoadOptions options;
  options.isa = kernels::supported_isas().back();
  return options;
}

std::vector<std::string> texts_of(const fs::path& folder) {
  const weights::Directory directory(folder);
  const auto document = weights::read_json(directory, "case.json", json::kConfigBytes);
  std::vector<std::string> texts;
  for (const json::Value text : document->root().at("texts").elements()) {
    const bool plain = text.kind() == json::Kind::kString;
    texts.emplace_back(plain ? text.string() : text.at("text").string());
  }
  return texts;
}

std::vector<float> embed(Embedder& embedder, const std::vector<std::string>& texts,
                         const EmbedOptions& options = {}) {
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  const auto n = static_cast<std::int64_t>(texts.size()), D = embedder.model().dimensions();
  std::vector<float> y(static_cast<std::size_t>(n * D));
  const auto errors = embedder.embed(views, {y.data(), n, D, D}, options);
  EXPECT_TRUE(errors.empty()) << errors[0].message;
  return y;
}

constexpr std::array kCases{
    "st_mean",         "st_mean_normalize",   "st_mean_sqrt_len", "st_cls_normalize",
    "st_max",          "st_weightedmean",     "st_lasttoken",     "st_two_poolings",
    "st_all_poolings", "st_dense_identity",   "st_dense_tanh",    "st_prompts",
    "st_truncate",     "st_prompts_excluded", "st_saved_new",     "st_distilbert",
};

class SentenceGolden : public testing::TestWithParam<const char*> {};

TEST_P(SentenceGolden, TextsToEmbeddings) {
  const fs::path folder = test::data_dir() / "goldens" / GetParam();
  LINNET_NEEDS(folder);
  const EmbeddingModel model = load_embedding_model(folder, best_level());
  Embedder embedder(model, {.threads = 2, .tokens_per_pass = 64});
  const test::GoldenFile io(folder / "io.safetensors");
  const auto texts = texts_of(folder);
  test::expect_close(embed(embedder, texts), io.values<float>("embeddings"), "embeddings");
  for (const auto& [name, text] : model.sentence.config.prompts) {
    const std::string golden = "embeddings.prompt." + name;
    if (!io.has(golden)) continue;
    EmbedOptions options;
    options.prompt_name = name;
    test::expect_close(embed(embedder, texts, options), io.values<float>(golden), golden);
    options.prompt_name.reset();
    options.prompt = text;
    test::expect_close(embed(embedder, texts, options), io.values<float>(golden), golden);
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, SentenceGolden, testing::ValuesIn(kCases),
                         [](const auto& p) { return std::string(p.param); });

TEST(MiniLm, EmbeddingsOfTheRealModel) {
  const fs::path folder = test::data_dir() / "goldens/minilm";
  LINNET_NEEDS(folder);
  LINNET_NEEDS(test::minilm_dir());
  const EmbeddingModel model = load_embedding_model(test::minilm_dir(), best_level());
  EXPECT_EQ(model.max_length(), 256);
  Embedder embedder(model, {.threads = 2});
  const test::GoldenFile io(folder / "io.safetensors");
  const auto got = embed(embedder, texts_of(folder)), want = io.values<float>("embeddings");
  ASSERT_EQ(got.size(), want.size());
  float difference = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    difference = std::max(difference, std::abs(got[i] - want[i]));
  }
  EXPECT_LE(difference, 2e-6f);
  RecordProperty("max_abs_difference", std::to_string(difference));
}

TEST(MiniLm, Bf16KeepsTheDirectionOfFp32) {
  const fs::path folder = test::data_dir() / "goldens/minilm";
  LINNET_NEEDS(folder);
  LINNET_NEEDS(test::minilm_dir());
  const auto texts = texts_of(folder);
  std::vector<float> of[2];
  for (const Precision precision : {Precision::kFloat32, Precision::kBfloat16}) {
    LoadOptions options = best_level();
    options.precision = precision;
    const EmbeddingModel model = load_embedding_model(test::minilm_dir(), options);
    Embedder embedder(model, {.threads = 2});
    of[precision == Precision::kBfloat16 ? 1 : 0] = embed(embedder, texts);
  }
  const std::size_t D = of[0].size() / texts.size();
  double least = 1;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    double cosine = 0;  // both are of length 1
    for (std::size_t d = i * D; d < (i + 1) * D; ++d) cosine += double{of[0][d]} * of[1][d];
    least = std::min(least, cosine);
  }
  EXPECT_GE(least, 0.99996);
  EXPECT_NE(of[0], of[1]) << "BF16 was not used";
  RecordProperty("least_cosine", std::to_string(least));
}

TEST(Embedder, ReportsTextsThatHaveNoEmbedding) {
  const fs::path folder = test::data_dir() / "goldens/st_mean";
  LINNET_NEEDS(folder);
  const EmbeddingModel model = load_embedding_model(folder, best_level());
  Embedder embedder(model);
  const std::int64_t D = model.dimensions();
  std::string longer;
  for (int i = 0; i < 100; ++i) longer += "word ";
  const std::vector<std::string_view> texts{"fine", "not \xFF utf-8", longer, ""};
  std::vector<float> y(static_cast<std::size_t>(4 * D), 7.0f);
  EmbedOptions options;
  options.too_long = TooLong::kRefuse;
  const auto errors = embedder.embed(texts, {y.data(), 4, D, D}, options);
  ASSERT_EQ(errors.size(), 2u);
  EXPECT_EQ(errors[0].row, 1);
  EXPECT_EQ(errors[1].row, 2);
  EXPECT_NE(errors[1].message.find("expected at most 40"), std::string::npos) << errors[1].message;
  EXPECT_EQ(y[static_cast<std::size_t>(D)], 0.0f);
  EXPECT_NE(y[0], 7.0f);
  EXPECT_NE(y[static_cast<std::size_t>(3 * D)], 0.0f);
}

TEST(Embedder, RefusesUnknownPrompts) {
  const fs::path folder = test::data_dir() / "goldens/st_prompts";
  LINNET_NEEDS(folder);
  const EmbeddingModel model = load_embedding_model(folder, best_level());
  Embedder embedder(model);
  EmbedOptions options;
  options.prompt_name = "nothing";
  std::vector<float> y(static_cast<std::size_t>(model.dimensions()));
  const std::vector<std::string_view> texts{"a"};
  const Mat<float> out{y.data(), 1, model.dimensions(), model.dimensions()};
  EXPECT_THROW(embedder.embed(texts, out, options), Error);
}

}  // namespace
}  // namespace linnet
