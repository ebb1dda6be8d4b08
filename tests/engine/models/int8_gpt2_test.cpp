// GPT-2 in INT8, quantised while loading: the integers of one layer, whole models, the same bits
// through the cache.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>

#include "engine/models/gpt2_session.h"
#include "engine/models/quantize_channels.h"
#include "tests/kernels/levels.h"
#include "tests/support/count_allocations.h"
#include "tests/support/golden.h"
#include "tests/support/random_gpt2.h"

namespace linnet {
namespace {

using test::GoldenBatch;
using test::GoldenFile;
using Json = nlohmann::json;

std::filesystem::path folder() { return test::data_dir() / "goldens/int8_gpt2_lm"; }

class Int8Gpt2Golden : public testing::Test {
 protected:
  void SetUp() override { LINNET_NEEDS(folder()); }
};

Gpt2Model load(const std::string& directory, kernels::Isa isa) {
  LoadOptions options;
  options.isa = isa;
  options.precision = Precision::kInt8;
  return load_gpt2(weights::Checkpoint(directory), options);
}

// logits [T, V] of all tokens of a batch, which go on where the places of a cache end.
std::vector<float> logits_of(Gpt2Session& session, const Batch& batch,
                             const CachePlaces& places = {}) {
  const std::int64_t T = batch.T(), V = session.model().config.vocab_size;
  std::vector<std::int64_t> rows(static_cast<std::size_t>(T));
  std::iota(rows.begin(), rows.end(), 0);
  std::vector<float> logits(static_cast<std::size_t>(T * V));
  session.run(batch, places,
              {.vocabulary_logits = {logits.data(), T, V, V}, .vocabulary_rows = rows});
  return logits;
}

// The layer whose integers the case has: c_attn of block 0, which is stored transposed.
TEST_F(Int8Gpt2Golden, IntegersOfALayer) {
  const GoldenFile io(folder() / "io.safetensors");
  const auto w_q = io.values<std::int8_t>("linear.w_q");
  const auto w_scale = io.values<double>("linear.w_scale"),
             x_scale = io.values<double>("linear.x_scale");
  const std::int64_t N = io.shape("linear.w_q")[0], K = io.shape("linear.w_q")[1];
  const auto exact = io.values<double>("linear.x");
  const std::vector<float> x(exact.begin(), exact.end());
  const auto acc = io.values<std::int32_t>("linear.acc");
  const auto M = static_cast<std::int64_t>(x_scale.size());
  for (const kernels::Isa isa : test::levels()) {
    const Gpt2Model model = load(folder().string(), isa);
    const Linear& layer = model.weights.h[0].attn_c_attn;
    ASSERT_EQ(layer.N, N);
    ASSERT_EQ(layer.kind, LinearKind::kInt8);
    for (std::size_t n = 0; n < w_scale.size(); ++n) {
      EXPECT_EQ(layer.scale[n], static_cast<float>(w_scale[n]));
    }
    std::vector<std::int8_t> packed(static_cast<std::size_t>(packed_bytes_s8(N, K)) + 64);
    auto* at = reinterpret_cast<std::int8_t*>(
        (reinterpret_cast<std::uintptr_t>(packed.data()) + 63) / 64 * 64);
    model.kernels.pack_s8(at, w_q.data(), K, 1, K, 0, N);
    EXPECT_EQ(std::memcmp(at, layer.packed, static_cast<std::size_t>(packed_bytes_s8(N, K))), 0);

    std::vector<float> y(static_cast<std::size_t>(M * N));
    const Block memory(linear_scratch_bytes(layer.kind, 2, M, K));
    Threads threads(2);
    linear({model.kernels, threads, {memory.data(), memory.bytes()}}, {y.data(), M, N, N},
           Mat<const float>{x.data(), M, K, K}, layer);
    for (std::int64_t m = 0; m < M; ++m) {
      for (std::int64_t n = 0; n < N; ++n) {
        const auto i = static_cast<std::size_t>(m * N + n);
        const double want =
            acc[i] * x_scale[static_cast<std::size_t>(m)] * w_scale[static_cast<std::size_t>(n)] +
            double{layer.bias[n]};
        EXPECT_NEAR(y[i], want, 2e-6 * std::max(1.0, std::abs(want))) << m << ", " << n;
      }
    }
  }
}

TEST_F(Int8Gpt2Golden, WholeModel) {
  const GoldenFile io(folder() / "io.safetensors");
  std::ifstream file(folder() / "case.json");
  const Json details = Json::parse(file);
  double sensitivity = 0;
  for (const auto& [batch, value] : details.at("sensitivity").at("blocks").items()) {
    sensitivity = std::max(sensitivity, value.get<double>());
  }
  const Gpt2Model model = load(folder().string(), choose_isa());
  Gpt2Session session(model, {.threads = 2});
  for (const std::string name : {"b0", "b1", "b2", "b3", "b4"}) {
    const GoldenBatch g(io, name);
    const auto got = logits_of(session, {g.tokens, g.positions, {}, g.starts});
    const auto exact = io.values<double>(name + ".logits_f64"),
               int8 = io.values<double>(name + ".int8_reference.all.logits");
    const auto V = static_cast<std::size_t>(model.config.vocab_size);
    double squares = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
      const std::size_t at = static_cast<std::size_t>(g.column_rows[i / V]) * V + i % V;
      squares += (got[i] - exact[at]) * (got[i] - exact[at]);
      EXPECT_NEAR(got[i], int8[at], 3 * sensitivity) << name << " " << i;
    }
    const double rms = std::sqrt(squares / static_cast<double>(got.size()));
    const double stated = details.at("stats").at(name + ".all").at("rms").get<double>();
    EXPECT_LE(rms, 1.5 * stated) << name;
    EXPECT_GE(rms, stated / 1.5) << name << ": is this INT8?";
  }
}

// One sequence of 200 tokens of a model whose sizes fit nothing.
class Int8Gpt2 : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    dir_ = new test::TempDir;
    test::write_random_gpt2(*dir_, R"({"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"],
        "n_embd": 72, "n_layer": 3, "n_head": 4, "n_positions": 256, "vocab_size": 131})");
  }
  static void TearDownTestSuite() { delete dir_; }
  Int8Gpt2() : tokens_(200), positions_(200) {
    for (std::size_t t = 0; t < tokens_.size(); ++t) {
      tokens_[t] = static_cast<std::int32_t>(t * 37 % 131);
      positions_[t] = static_cast<std::int32_t>(t);
    }
  }
  // Tokens [begin, end), continuing place 1 of the cache.
  std::vector<float> piece(Gpt2Session& session, KvCache* cache, std::size_t begin,
                           std::size_t end) const {
    const std::vector<std::int64_t> starts{0, static_cast<std::int64_t>(end - begin)}, places{1};
    CachePlaces cached;
    if (cache != nullptr) cached = {cache, places};
    return logits_of(session,
                     {std::span(tokens_).subspan(begin, end - begin),
                      std::span(positions_).subspan(begin, end - begin),
                      {},
                      starts},
                     cached);
  }

  static test::TempDir* dir_;
  std::vector<std::int32_t> tokens_, positions_;
  const KvCacheShape shape_{2, 256, 3, 72, 4};
};
test::TempDir* Int8Gpt2::dir_ = nullptr;

bool same_bytes(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

TEST_F(Int8Gpt2, AnySplitGivesTheBytesOfOnePassAtEveryLevel) {
  const Gpt2Model reference = load(dir_->path(), kernels::Isa::kReference);
  Gpt2Session alone(reference);
  const std::vector<float> want = piece(alone, nullptr, 0, 200);
  for (const kernels::Isa isa : test::levels()) {
    const Gpt2Model model = load(dir_->path(), isa);
    for (const int threads : {1, 3}) {
      Gpt2Session session(model, {.threads = threads});
      EXPECT_TRUE(same_bytes(piece(session, nullptr, 0, 200), want)) << kernels::name(isa);
      for (const std::size_t step : {1u, 7u, 64u}) {
        if (isa == kernels::Isa::kReference && step == 1) continue;  // slow
        KvCache cache(shape_, shape_.bytes());
        std::vector<float> got;
        for (std::size_t begin = 0; begin < 200; begin += step) {
          const std::vector<float> part =
              piece(session, &cache, begin, std::min<std::size_t>(begin + step, 200));
          got.insert(got.end(), part.begin(), part.end());
        }
        EXPECT_TRUE(same_bytes(got, want))
            << kernels::name(isa) << ", " << threads << " threads, " << step << " at a time";
      }
    }
  }
}

TEST_F(Int8Gpt2, IsNearFloat32) {
  const Gpt2Model model = load(dir_->path(), choose_isa());
  LoadOptions options;
  options.isa = choose_isa();
  const Gpt2Model exact = load_gpt2(weights::Checkpoint(dir_->path()), options);
  Gpt2Session session(model), other(exact);
  const std::vector<float> got = piece(session, nullptr, 0, 200),
                           want = piece(other, nullptr, 0, 200);
  double square = 0, error = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    square += want[i] * want[i];
    error += (got[i] - want[i]) * (got[i] - want[i]);
  }
  EXPECT_LT(std::sqrt(error / square), 0.06);
  EXPECT_GT(std::sqrt(error / square), 1e-3) << "this is no INT8";
}

TEST_F(Int8Gpt2, AStepAllocatesNothing) {
  if (!test::kCountsAllocations) GTEST_SKIP() << "sanitizers bring their own operator new";
  const Gpt2Model model = load(dir_->path(), choose_isa());
  Gpt2Session session(model, {.threads = 2});
  KvCache cache(shape_, shape_.bytes());
  const std::vector<std::int64_t> starts{0, 25}, places{0}, rows{24};
  std::vector<float> logits(131);
  const auto step = [&] {
    session.run({std::span(tokens_).first(25), std::span(positions_).first(25), {}, starts},
                {&cache, places},
                {.vocabulary_logits = {logits.data(), 1, 131, 131}, .vocabulary_rows = rows});
  };
  step();  // starts the workers
  cache.truncate(0, 0);
  EXPECT_EQ(test::count_allocations(step), 0);
}

}  // namespace
}  // namespace linnet
