// GPT-2 with its layers and its vocabulary product in BF16: near FP32, through the cache too.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/models/gpt2_session.h"
#include "tests/support/random_gpt2.h"

namespace linnet {
namespace {

constexpr std::int64_t kV = 131, kT = 60;

Gpt2Model load(const test::TempDir& dir, kernels::Isa isa, Precision precision) {
  LoadOptions options;
  options.isa = isa;
  options.precision = precision;
  return load_gpt2(weights::Checkpoint(dir.path()), options);
}

// logits [kT, kV] of one sequence that is fed `piece` tokens at a time.
std::vector<float> logits(const Gpt2Model& model, int threads, std::int64_t piece) {
  Gpt2Session session(model, {.threads = threads});
  const KvCacheShape shape{1, kT, model.config.n_layer, model.config.n_embd, model.config.n_head};
  KvCache cache(shape, shape.bytes());
  std::vector<float> all(static_cast<std::size_t>(kT * kV));
  for (std::int64_t begin = 0; begin < kT; begin += piece) {
    const std::int64_t n = std::min(piece, kT - begin);
    std::vector<std::int32_t> tokens(static_cast<std::size_t>(n)), positions(tokens.size());
    std::iota(positions.begin(), positions.end(), static_cast<std::int32_t>(begin));
    for (std::size_t t = 0; t < tokens.size(); ++t) tokens[t] = positions[t] * 37 % kV;
    std::vector<std::int64_t> rows(tokens.size());
    std::iota(rows.begin(), rows.end(), 0);
    const std::vector<std::int64_t> starts{0, n}, places{0};
    Gpt2Outputs out;
    out.vocabulary_logits = {all.data() + begin * kV, n, kV, kV};
    out.vocabulary_rows = rows;
    session.run({tokens, positions, {}, starts}, {&cache, places}, out);
  }
  return all;
}

// Root of the mean square of the difference, relative to that of `want`.
double relative(const std::vector<float>& got, const std::vector<float>& want) {
  double square = 0, error = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    square += std::pow(want[i], 2);
    error += std::pow(got[i] - want[i], 2);
  }
  return std::sqrt(error / square);
}

TEST(Gpt2Bf16, NearFloat32AndThroughTheCache) {
  const test::TempDir dir;
  test::write_random_gpt2(dir, R"({"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"],
      "n_embd": 72, "n_layer": 3, "n_head": 4, "n_positions": 64, "vocab_size": 131})");
  for (const kernels::Isa isa : kernels::supported_isas()) {
    const std::vector<float> want = logits(load(dir, isa, Precision::kFloat32), 1, kT);
    const Gpt2Model model = load(dir, isa, Precision::kBfloat16);
    const std::vector<float> got = logits(model, 1, kT);
    // A product of numbers of 8 bits is right to 2^-9 a factor; the blocks make more of it.
    EXPECT_LT(relative(got, want), 0.05) << kernels::name(isa);
    EXPECT_GT(relative(got, want), 1e-4) << kernels::name(isa) << ": this is no BF16";
    // Levels differ in the order of their sums, numbers of rows do not: a token alone, too.
    for (const std::int64_t piece : {1, 2, 4, 7, 20}) {
      EXPECT_EQ(logits(model, 3, piece), got) << kernels::name(isa) << " pieces of " << piece;
    }
    EXPECT_EQ(logits(model, 1, 1), got) << kernels::name(isa);
  }
}

}  // namespace
}  // namespace linnet
