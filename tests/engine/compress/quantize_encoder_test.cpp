// Whole encoders in INT8: the inputs that the layers are calibrated with, the recipes of the
// layers, and models that run with them.
#include "engine/compress/quantize_encoder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "engine/compress/block_inputs.h"
#include "engine/compress/quality_report.h"
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
  return random_sequences({2, 3, ordinary, 40}, count);
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

double mean_snr(const StepQuality& quality) {
  double sum = 0;
  for (const LayerQuality& layer : quality.layers) sum += layer.snr_db;
  return sum / static_cast<double>(quality.layers.size());
}

TEST_F(QuantizeEncoder, ReportTellsTheStepsApart) {
  Threads threads(2);
  const EncoderModel model = load();
  const Sequences calibration = sequences(60), other = sequences(8);
  const EncoderRecipe recipe{.smooth = true, .second_order = true};
  const Measurement how{.batch = other.batch()};
  std::vector<StepQuality> steps = measure_steps(threads, model, recipe, calibration.batch(), how);
  const QuantizedEncoder quantized = quantize_encoder(threads, model, recipe, calibration.batch());
  steps.push_back(measure_quality(threads, model, quantized, how));
  const char* names[] = {"plain", "rotation", "smoothing", "all"};
  ASSERT_EQ(steps.size(), 4u);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    EXPECT_EQ(steps[i].step, names[i]);
    ASSERT_EQ(steps[i].layers.size(), 8u);
    EXPECT_STREQ(steps[i].layers[5].layer, "attention_output");
    EXPECT_EQ(steps[i].layers[5].block, 1);
    for (const LayerQuality& layer : steps[i].layers) {
      EXPECT_GT(layer.snr_db, 30);
      EXPECT_LT(layer.snr_db, 60);
    }
    EXPECT_GT(steps[i].mean_cosine, 0.999);
    EXPECT_LT(steps[i].mean_cosine, 1);
    EXPECT_LE(steps[i].least_cosine, steps[i].mean_cosine);
  }
  EXPECT_GT(mean_snr(steps[3]), mean_snr(steps[2]) + 1);  // rounding of the second order
  const StepQuality int8_attention = measure_quality(
      threads, model, quantized, {.attention = AttentionKind::kInt8, .batch = other.batch()});
  EXPECT_EQ(mean_snr(int8_attention), mean_snr(steps[3]));  // inputs are those of FP32
  EXPECT_NE(int8_attention.mean_cosine, steps[3].mean_cosine);
}

// Products by hand, from what the quantiser of the rows and the layer's numbers are.
TEST_F(QuantizeEncoder, SignalToNoiseIsThatOfTheProduct) {
  Threads threads(1);
  const EncoderModel model = load();
  const Sequences batch = sequences(4);
  const QuantizedEncoder quantized = quantize_encoder(threads, model, {.rotate = false});
  const double got = measure_quality(threads, model, quantized, {.batch = batch.batch()})
                         .layers[2]
                         .snr_db;  // intermediate of block 0
  BlockByBlock blocks(threads, model, batch.batch());
  const Mat<const float> x = blocks.next().intermediate;
  const QuantizedLinear& layer = quantized.blocks[0].intermediate;
  const weights::TensorView* w =
      model.checkpoint.find("bert.encoder.layer.0.intermediate.dense.weight");
  ASSERT_NE(w, nullptr);
  const auto* floats = reinterpret_cast<const float*>(w->bytes.data());
  double signal = 0, noise = 0;
  for (std::int64_t t = 0; t < x.rows; ++t) {
    double amax = 0;
    for (std::int64_t k = 0; k < x.cols; ++k) amax = std::max(amax, std::abs(double{x.row(t)[k]}));
    for (std::int64_t n = 0; n < layer.N; ++n) {
      double y = 0, y8 = 0;
      for (std::int64_t k = 0; k < x.cols; ++k) {
        y += double{x.row(t)[k]} * double{floats[n * x.cols + k]};
        y8 += std::nearbyint(double{x.row(t)[k]} * 127 / amax) *
              layer.q[static_cast<std::size_t>(n * layer.ldq() + k)];
      }
      y8 *= amax / 127 * double{layer.scale[static_cast<std::size_t>(n)]};
      signal += y * y;
      noise += (y - y8) * (y - y8);
    }
  }
  EXPECT_NEAR(got, 10 * std::log10(signal / noise), 0.05);
}

TEST_F(QuantizeEncoder, LayersWithoutNumbersStayInFp32) {
  Threads threads(1);
  const EncoderModel model = load();
  const Sequences batch = sequences(4);
  QuantizedEncoder quantized = quantize_encoder(threads, model, {});
  quantized.blocks[1].output = {};
  const StepQuality quality = measure_quality(threads, model, quantized, {.batch = batch.batch()});
  EXPECT_EQ(quality.layers[7].snr_db, 200);
  EXPECT_LT(quality.layers[6].snr_db, 60);
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
  for (const std::int64_t positions : {3, 5, 20}) {
    const Sequences few = random_sequences({1, 2, ordinary, positions});
    for (std::size_t b = 0; b < 128; ++b) EXPECT_LE(few.starts[b + 1] - few.starts[b], positions);
  }
  EXPECT_THROW(random_sequences({1, 2, ordinary, 2}), Error);
}

}  // namespace
}  // namespace linnet::compress
