// Whole encoders in INT8: the inputs that the layers are calibrated with, the recipes of the
// layers, and models that run with them.
#include "engine/compress/quantize_encoder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "engine/compress/block_inputs.h"
#include "engine/compress/random_sequences.h"
#include "engine/models/encoder_session.h"
#include "tests/kernels/levels.h"
#include "tests/support/golden.h"
#include "weights/base/error.h"

namespace linnet::compress {
namespace {

std::filesystem::path folder() { return test::data_dir() / "goldens/int8_bert_seqcls"; }

class QuantizeEncoder : public testing::Test {
 protected:
  void SetUp() override { LINNET_NEEDS(folder()); }
};

EncoderModel load(kernels::Isa isa = choose_isa(), Precision precision = Precision::kFloat32) {
  LoadOptions options;
  options.isa = isa;
  options.precision = precision;
  return load_encoder(weights::Checkpoint(folder().string()), options);
}

// Sequences of the model: 211 ids, 40 positions.
Sequences sequences(std::int64_t count) {
  std::vector<std::int32_t> ordinary;
  for (std::int32_t id = 5; id < 211; ++id) ordinary.push_back(id);
  const Sequences all = random_sequences({2, 3, ordinary}, 3 * count);
  Sequences fitting;
  for (std::size_t b = 0; b + 1 < all.starts.size(); ++b) {
    const auto begin = all.starts[b], end = all.starts[b + 1];
    if (end - begin > 40) continue;
    fitting.tokens.insert(fitting.tokens.end(), all.tokens.begin() + begin,
                          all.tokens.begin() + end);
    fitting.positions.insert(fitting.positions.end(), all.positions.begin() + begin,
                             all.positions.begin() + end);
    fitting.starts.push_back(static_cast<std::int64_t>(fitting.tokens.size()));
  }
  return fitting;
}

std::vector<float> hidden_of(const EncoderModel& model, const Batch& batch, int threads = 1) {
  EncoderSession session(model, {.threads = threads});
  std::vector<float> hidden(static_cast<std::size_t>(batch.T() * model.config.D));
  EncoderOutputs out;
  out.last_hidden_state = {hidden.data(), batch.T(), model.config.D, model.config.D};
  session.run(batch, out);
  return hidden;
}

double relative_error(const std::vector<float>& got, const std::vector<float>& want) {
  double error = 0, size = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    error += std::pow(double{got[i]} - double{want[i]}, 2);
    size += double{want[i]} * double{want[i]};
  }
  return std::sqrt(error / size);
}

TEST_F(QuantizeEncoder, BlocksEndWhereTheModelEnds) {
  const EncoderModel model = load();
  const Sequences batch = sequences(20);
  for (const int count : {1, 3}) {
    Threads threads(count);
    BlockByBlock blocks(threads, model, batch.batch());
    for (std::int64_t i = 0; i < model.config.layers(); ++i) {
      const std::vector<float> before(blocks.hidden().data,
                                      blocks.hidden().data + batch.batch().T() * model.config.D);
      const BlockInputs inputs = blocks.next();
      EXPECT_TRUE(std::equal(before.begin(), before.end(), inputs.qkv.data));
      EXPECT_EQ(inputs.output.cols, model.config.F);
    }
    const std::vector<float> want = hidden_of(model, batch.batch());
    EXPECT_TRUE(std::equal(want.begin(), want.end(), blocks.hidden().data));
  }
}

// Also what `--dtype int8` makes while loading.
TEST_F(QuantizeEncoder, PlainIsTheModelLoadedInInt8) {
  Threads threads(2);
  EncoderModel model = load();
  const QuantizedEncoder quantized = quantize_encoder(threads, model, {.rotate = false});
  const Block block = install(threads, model, quantized);
  const EncoderModel want = load(choose_isa(), Precision::kInt8);
  for (std::size_t i = 0; i < want.weights.layers.size(); ++i) {
    const EncoderLayer &a = model.weights.layers[i], &b = want.weights.layers[i];
    for (const auto& [mine, theirs] :
         {std::pair{&a.qkv, &b.qkv}, std::pair{&a.attention_output, &b.attention_output},
          std::pair{&a.intermediate, &b.intermediate}, std::pair{&a.output, &b.output}}) {
      EXPECT_EQ(mine->kind, LinearKind::kInt8);
      EXPECT_FALSE(mine->transform.any());
      const std::int64_t bytes = (mine->N + 15) / 16 * 16 * kernels::column_bytes_s8(mine->K);
      EXPECT_TRUE(std::equal(mine->packed, mine->packed + bytes, theirs->packed));
      EXPECT_TRUE(std::equal(mine->scale, mine->scale + mine->N, theirs->scale));
    }
  }
}

TEST_F(QuantizeEncoder, RecipesReachTheLayersTheyAreFor) {
  Threads threads(2);
  const EncoderModel model = load();
  const Sequences calibration = sequences(30);
  const QuantizedEncoder quantized =
      quantize_encoder(threads, model, {.smooth = true, .second_order = true}, calibration.batch());
  for (const QuantizedBlock& block : quantized.blocks) {
    EXPECT_EQ(block.qkv.recipe.rotation, default_rotation(48, InLane::kYes));
    EXPECT_EQ(block.qkv.recipe.r.size(), 48u);
    EXPECT_EQ(block.attention_output.recipe.rotation, Rotation{});
    EXPECT_TRUE(block.attention_output.recipe.r.empty());
    EXPECT_EQ(block.intermediate.recipe.rotation, default_rotation(48, InLane::kYes));
    EXPECT_EQ(block.output.recipe.rotation, default_rotation(100, InLane::kYes));
    EXPECT_EQ(block.output.recipe.r.size(), 100u);
  }
}

// Every recipe gives a model that computes about the same, the calibrated ones of seen tokens more
// nearly; and the same bytes at every level on any number of threads.
TEST_F(QuantizeEncoder, ModelsRunAtEveryLevel) {
  Threads threads(2);
  const Sequences calibration = sequences(60), batch = sequences(8);
  const std::vector<float> exact = hidden_of(load(), batch.batch());
  std::vector<double> errors;
  for (const EncoderRecipe& recipe :
       {EncoderRecipe{.rotate = false}, EncoderRecipe{}, EncoderRecipe{.smooth = true},
        EncoderRecipe{.second_order = true}, EncoderRecipe{.smooth = true, .second_order = true}}) {
    std::vector<float> want;
    for (const kernels::Isa isa : test::levels()) {
      EncoderModel model = load(isa);
      const QuantizedEncoder quantized =
          quantize_encoder(threads, model, recipe, calibration.batch());
      const Block block = install(threads, model, quantized);
      for (const int count : {1, 3}) {
        const std::vector<float> got = hidden_of(model, batch.batch(), count);
        if (want.empty()) want = got;
        EXPECT_EQ(got, want) << kernels::name(isa) << " " << count;
      }
    }
    errors.push_back(relative_error(want, exact));
    EXPECT_GT(errors.back(), 1e-4);
    EXPECT_LT(errors.back(), 0.04);
  }
  EXPECT_LT(errors[3], errors[1]);
  EXPECT_LT(errors[4], errors[2]);
}

void expect_refused(const EncoderModel& model, const EncoderRecipe& recipe,
                    const Sequences& calibration, const char* words) {
  Threads threads(1);
  try {
    quantize_encoder(threads, model, recipe, calibration.batch());
    FAIL() << words;
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
  }
}

TEST_F(QuantizeEncoder, RefusesWhatItCannotUse) {
  expect_refused(load(choose_isa(), Precision::kInt8), {}, {}, "not loaded in FP32");
  expect_refused(load(), {.second_order = true}, {}, "0 tokens, expected at least 256");
  expect_refused(load(), {.smooth = true}, sequences(2), "tokens, expected at least 256");
  Sequences outside = sequences(30);
  outside.tokens[7] = 211;
  expect_refused(load(), {.smooth = true}, outside, "211");
  EncoderModel broken = load();
  std::vector<float> gamma(48, NAN);
  broken.weights.layers[1].output_norm.gamma = gamma.data();
  expect_refused(broken, {.smooth = true}, sequences(30), "after layer 1 are not finite");
}

TEST(RandomSequences, AreSequencesOfTheIds) {
  const std::vector<std::int32_t> ordinary{7, 9, 11};
  const Sequences s = random_sequences({1, 2, ordinary}, 500, 3);
  ASSERT_EQ(s.starts.size(), 501u);
  std::vector<int> lengths(60), ids(12);
  for (std::size_t b = 0; b < 500; ++b) {
    const auto begin = static_cast<std::size_t>(s.starts[b]),
               end = static_cast<std::size_t>(s.starts[b + 1]);
    ++lengths.at(end - begin);
    EXPECT_EQ(s.tokens[begin], 1);
    EXPECT_EQ(s.tokens[end - 1], 2);
    for (std::size_t t = begin; t < end; ++t) {
      EXPECT_EQ(s.positions[t], static_cast<std::int32_t>(t - begin));
      ++ids.at(static_cast<std::size_t>(s.tokens[t]));
    }
  }
  for (std::size_t length = 0; length < lengths.size(); ++length) {
    EXPECT_EQ(lengths[length] > 0, 8 <= length && length <= 51) << length;
  }
  const int body = ids[7] + ids[9] + ids[11];
  EXPECT_EQ(body + 1000, static_cast<int>(s.tokens.size()));
  for (const std::size_t id : {7u, 9u, 11u}) EXPECT_NEAR(ids[id], body / 3.0, body * 0.02);
  EXPECT_EQ(random_sequences({1, 2, ordinary}, 500, 3).tokens, s.tokens);
  EXPECT_NE(random_sequences({1, 2, ordinary}, 500, 4).tokens, s.tokens);
  EXPECT_THROW(random_sequences({1, 2, {}}), Error);
}

}  // namespace
}  // namespace linnet::compress
