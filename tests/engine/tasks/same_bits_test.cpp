// The promise: the bytes of an embedding depend on its text alone. Not on the instruction-set
// level, the number of threads, the batch around it, or what the host did to the floating-point
// environment.
#include <gtest/gtest.h>
#include <xmmintrin.h>

#include <cstring>
#include <random>
#include <thread>

#include "engine/tasks/embedder.h"
#include "tests/support/count_allocations.h"
#include "tests/support/data.h"

namespace linnet {
namespace {

namespace fs = std::filesystem;

// One model at every level.
std::vector<EmbeddingModel> at_every_level(const fs::path& folder) {
  std::vector<EmbeddingModel> models;
  for (const kernels::Isa isa : kernels::supported_isas()) {
    LoadOptions options;
    options.isa = isa;
    models.push_back(load_embedding_model(folder, options));
  }
  return models;
}

std::vector<std::string> some_texts(std::size_t n) {
  const char* words[] = {"the",   "river",  "runs",        "unbelievably", "fast",   ",",
                         "under", "Zürich", "bridges",     "and",          "nobody", "minds",
                         "3.14",  "!",      "tokenization"};
  std::mt19937 rng(5);
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < n; ++i) {
    std::string text;
    for (std::size_t k = 0; k < 1 + rng() % 40; ++k) text += std::string(words[rng() % 15]) + " ";
    texts.push_back(text);
  }
  return texts;
}

std::vector<float> embed(Embedder& embedder, const std::vector<std::string_view>& texts) {
  const auto n = static_cast<std::int64_t>(texts.size()), D = embedder.model().dimensions();
  std::vector<float> y(static_cast<std::size_t>(n * D));
  EXPECT_TRUE(embedder.embed(texts, {y.data(), n, D, D}).empty());
  return y;
}

class SameBits : public testing::TestWithParam<const char*> {
 protected:
  fs::path folder() const {
    return std::string(GetParam()) == "minilm" ? test::minilm_dir()
                                               : test::data_dir() / "goldens" / GetParam();
  }
};

TEST_P(SameBits, AtEveryLevelWithAnyThreadsInAnyBatch) {
  LINNET_NEEDS(folder());
  const auto models = at_every_level(folder());
  const auto texts = some_texts(33);
  const auto D = static_cast<std::size_t>(models[0].dimensions());
  std::vector<float> want;  // each text alone, one thread, reference level
  {
    Embedder alone(models[0]);
    for (const std::string& text : texts) {
      const auto y = embed(alone, {text});
      want.insert(want.end(), y.begin(), y.end());
    }
  }
  std::mt19937 rng(6);
  for (const EmbeddingModel& model : models) {
    for (int threads = 1; threads <= 4; ++threads) {
      Embedder embedder(model, {.threads = threads, .tokens_per_pass = 100 * threads});
      for (std::size_t size : {std::size_t{1}, std::size_t{2}, std::size_t{7}, std::size_t{33}}) {
        std::vector<std::size_t> chosen(size);
        for (std::size_t& i : chosen) i = rng() % texts.size();
        std::vector<std::string_view> batch;
        for (const std::size_t i : chosen) batch.push_back(texts[i]);
        // The host may have set flush-to-zero, denormals-are-zero and another rounding.
        const unsigned host = _mm_getcsr();
        _mm_setcsr(host | 0x8040 | static_cast<unsigned>(rng() % 4) << 13);
        const auto got = embed(embedder, batch);
        _mm_setcsr(host);
        for (std::size_t b = 0; b < size; ++b) {
          ASSERT_EQ(std::memcmp(&got[b * D], &want[chosen[b] * D], D * sizeof(float)), 0)
              << kernels::name(model.sentence.encoder.kernels.isa) << ", " << threads
              << " threads, batch of " << size << ", text " << chosen[b];
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, SameBits,
                         testing::Values("minilm", "st_distilbert", "st_all_poolings",
                                         "st_dense_tanh"),
                         [](const auto& p) { return std::string(p.param); });

TEST(Sessions, TwoOnOneModelAtTheSameTime) {
  const fs::path folder = test::data_dir() / "goldens/st_mean";
  LINNET_NEEDS(folder);
  LoadOptions options;
  options.isa = kernels::supported_isas().back();
  const EmbeddingModel model = load_embedding_model(folder, options);
  const auto texts = some_texts(20);
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  Embedder first(model);
  const auto want = embed(first, views);
  std::vector<std::vector<float>> got(4);
  std::vector<std::thread> threads;
  for (auto& y : got) {
    threads.emplace_back([&] {
      Embedder mine(model, {.threads = 2});
      for (int i = 0; i < 5; ++i) y = embed(mine, views);
    });
  }
  for (std::thread& t : threads) t.join();
  for (const auto& y : got) EXPECT_EQ(y, want);
}

// The example of engine/README.md.
TEST(Sessions, TwoSideBySide) {
  const fs::path folder = test::data_dir() / "goldens/st_mean";
  LINNET_NEEDS(folder);
  LoadOptions options;
  options.isa = kernels::supported_isas().back();
  const EmbeddingModel model = load_embedding_model(folder, options);
  const std::int64_t D = model.dimensions();
  const std::vector<std::string_view> some{"he had more", "than 20"}, others{"the world", "said"};
  std::vector<float> x(static_cast<std::size_t>(2 * D)), y(x.size());

  Embedder left(model, {.threads = 1}), right(model, {.threads = 1});
  std::thread beside([&] { right.embed(others, {y.data(), 2, D, D}); });
  left.embed(some, {x.data(), 2, D, D});
  beside.join();

  Embedder both(model, {.threads = 2});
  EXPECT_EQ(embed(both, some), x);
  EXPECT_EQ(embed(both, others), y);
}

TEST(Sessions, ForwardAllocatesNothing) {
  if (!test::kCountsAllocations) GTEST_SKIP() << "sanitizers bring their own operator new";
  const fs::path folder = test::data_dir() / "goldens/st_dense_tanh";
  LINNET_NEEDS(folder);
  LoadOptions options;
  options.isa = kernels::supported_isas().back();
  const SentenceModel model = load_sentence_model(weights::Checkpoint(folder), options);
  SentenceSession session(model, {.threads = 2, .tokens_per_pass = 40});
  std::vector<std::int32_t> tokens(90), positions;
  for (int i = 0; i < 90; ++i) {
    tokens[static_cast<std::size_t>(i)] = i % 30 + 5;
    positions.push_back(i % 30);
  }
  const std::vector<std::int64_t> starts{0, 30, 60, 90};
  std::vector<float> y(static_cast<std::size_t>(3 * model.dimensions()));
  const Mat<float> out{y.data(), 3, model.dimensions(), model.dimensions()};
  session.embed({tokens, positions, {}, starts}, out);  // starts the workers
  const int allocations = test::count_allocations([&] {
    session.embed({tokens, positions, {}, starts}, out);
  });
  EXPECT_EQ(allocations, 0);
  EXPECT_GT(test::count_allocations([] { std::vector<int> v(100); }), 0);  // the count counts
}

}  // namespace
}  // namespace linnet
