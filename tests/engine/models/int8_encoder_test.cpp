// Whole encoders in INT8, in every form that a recipe may give them: the same bits at every level,
// for any threads, in any batch. Batches are long enough for the blocks and groups of
// engine/models/encoder.cpp.
#include <gtest/gtest.h>

#include <numeric>

#include "engine/models/encoder_model.h"
#include "engine/models/encoder_session.h"
#include "engine/models/linear_units.h"
#include "tests/kernels/levels.h"
#include "tests/support/count_allocations.h"
#include "tests/support/data.h"
#include "tests/support/expect_error.h"

namespace linnet {
namespace {

std::filesystem::path folder() { return test::data_dir() / "goldens/int8_bert_seqcls"; }

EncoderModel load(kernels::Isa isa, Precision precision) {
  LoadOptions options;
  options.isa = isa;
  options.precision = precision;
  return load_encoder(weights::Checkpoint(folder().string()), options);
}

/// What a recipe may change.
struct Form {
  const char* name;
  AttentionKind attention = AttentionKind::kFloat32;
  bool transforms = false;    // of the rows that qkv, intermediate and output read
  bool keeps_layers = false;  // some layers stay FP32
};
constexpr Form kForms[] = {{"plain"},
                           {"int8_attention", AttentionKind::kInt8},
                           {"transforms", AttentionKind::kFloat32, true},
                           {"kept_layers", AttentionKind::kFloat32, false, true},
                           {"everything", AttentionKind::kInt8, true, true}};

/// A model of one level in one form. The weights are not transformed: its answers are no good, but
/// they have bits.
struct Model {
  EncoderModel int8, fp32;
  Model(kernels::Isa isa, const Form& form)
      : int8(load(isa, Precision::kInt8)), fp32(load(isa, Precision::kFloat32)) {
    int8.config.attention = form.attention;
    auto& layers = int8.weights.layers;
    if (form.transforms) {
      layers[0].qkv.transform = {.r = nullptr, .n = 4, .thirds = false, .in_lane = true};
      layers[0].output.transform = {.r = nullptr, .n = 8, .thirds = false, .in_lane = false};
      layers[1].intermediate.transform = {.r = nullptr, .n = 2, .thirds = false, .in_lane = false};
    }
    if (form.keeps_layers) {
      layers[0].attention_output = fp32.weights.layers[0].attention_output;
      layers[0].output = fp32.weights.layers[0].output;
      layers[1].qkv = fp32.weights.layers[1].qkv;
    }
  }
};

/// Random ids in sequences of these lengths.
struct Tokens {
  std::vector<std::int32_t> tokens, positions;
  std::vector<std::int64_t> starts{0};
  explicit Tokens(const std::vector<std::int32_t>& lengths) {
    test::Rng rng(1);
    for (const std::int32_t length : lengths) {
      for (std::int32_t i = 0; i < length; ++i) {
        tokens.push_back(static_cast<std::int32_t>(rng() % 211));
        positions.push_back(i);
      }
      starts.push_back(static_cast<std::int64_t>(tokens.size()));
    }
  }
  Batch all() const { return {tokens, positions, {}, starts}; }
};

/// Lengths of 1 .. 40, 820 tokens in all.
std::vector<std::int32_t> every_length() {
  std::vector<std::int32_t> lengths(40);
  std::iota(lengths.begin(), lengths.end(), 1);
  return lengths;
}

std::vector<float> hidden_of(const EncoderModel& model, const SessionOptions& options,
                             const Batch& batch) {
  EncoderSession session(model, options);
  const std::int64_t D = model.config.D;
  std::vector<float> hidden(static_cast<std::size_t>(batch.T() * D));
  EncoderOutputs out;
  out.last_hidden_state = {hidden.data(), batch.T(), D, D};
  session.run(batch, out);
  return hidden;
}

class Int8Encoder : public testing::TestWithParam<Form> {
 protected:
  void SetUp() override { LINNET_NEEDS(folder()); }
  const Tokens tokens{every_length()};
};

TEST_P(Int8Encoder, SameBitsAtEveryLevelWithAnyThreads) {
  const std::vector<float> want =
      hidden_of(Model(kernels::Isa::kReference, GetParam()).int8, {}, tokens.all());
  for (const kernels::Isa isa : test::levels()) {
    const Model model(isa, GetParam());
    for (const int threads : {1, 2, 3, 20}) {  // of 20, each has too few rows for blocks
      for (const std::int64_t pass : {40, 1024}) {
        const SessionOptions options{.threads = threads, .tokens_per_pass = pass};
        ASSERT_TRUE(test::same_bits(hidden_of(model.int8, options, tokens.all()), want))
            << kernels::name(isa) << ", " << threads << " threads, passes of " << pass;
      }
    }
  }
}

// Three sequences of 40 cannot be divided among two threads: they share blocks of rows.
TEST_P(Int8Encoder, SameBitsWhenThreadsShareASequence) {
  const Tokens few({40, 40, 40});
  const std::vector<float> want =
      hidden_of(Model(kernels::Isa::kReference, GetParam()).int8, {}, few.all());
  for (const kernels::Isa isa : test::levels()) {
    const Model model(isa, GetParam());
    for (const int threads : {1, 2, 5}) {
      ASSERT_TRUE(test::same_bits(hidden_of(model.int8, {.threads = threads}, few.all()), want))
          << kernels::name(isa) << ", " << threads << " threads";
    }
  }
}

TEST_P(Int8Encoder, EachSequenceIsWhatItIsAlone) {
  for (const kernels::Isa isa : {test::levels().front(), test::levels().back()}) {
    const Model model(isa, GetParam());
    const std::size_t D = static_cast<std::size_t>(model.int8.config.D);
    const std::vector<float> together = hidden_of(model.int8, {}, tokens.all());
    for (std::size_t b = 0; b + 1 < tokens.starts.size(); ++b) {
      const auto begin = static_cast<std::size_t>(tokens.starts[b]), n = b + 1;
      const std::int64_t starts[] = {0, static_cast<std::int64_t>(n)};
      const Batch alone{std::span(tokens.tokens).subspan(begin, n),
                        std::span(tokens.positions).subspan(begin, n),
                        {},
                        starts};
      ASSERT_TRUE(test::same_bits(hidden_of(model.int8, {}, alone),
                                  std::span(together).subspan(begin * D, n * D)))
          << kernels::name(isa) << ", sequence " << b;
    }
  }
}

TEST_P(Int8Encoder, IsNotTheModelInFp32) {
  const Model model(test::levels().back(), GetParam());
  EXPECT_FALSE(test::same_bits(hidden_of(model.int8, {}, tokens.all()),
                               hidden_of(model.fp32, {}, tokens.all())));
}

TEST_P(Int8Encoder, AllocatesNothing) {
  if (!test::kCountsAllocations) GTEST_SKIP() << "sanitizers bring their own operator new";
  const Model model(test::levels().back(), GetParam());
  EncoderSession session(model.int8, {.threads = 2});
  const std::int64_t B = tokens.all().B(), C = model.int8.head.sequence_classifier.N;
  std::vector<float> logits(static_cast<std::size_t>(B * C));
  EncoderOutputs out;
  out.sequence_logits = {logits.data(), B, C, C};
  session.run(tokens.all(), out);  // starts the workers
  EXPECT_EQ(test::count_allocations([&] { session.run(tokens.all(), out); }), 0);
}

INSTANTIATE_TEST_SUITE_P(Forms, Int8Encoder, testing::ValuesIn(kForms),
                         [](const auto& p) { return std::string(p.param.name); });

// Longer sums leave 32 bits.
TEST(Int8Attention, IsForSequencesThatItComputesExactly) {
  EncoderConfig config;
  config.positions = kernels::kMaxKS8;
  check_int8_attention(config);
  config.positions = kernels::kMaxKS8 + 1;
  const std::string what =
      test::error_of(ErrorCode::kUnsupported, [&] { check_int8_attention(config); });
  EXPECT_NE(what.find("at most 65536 positions, found 65537"), std::string::npos) << what;
}

// INT8 attention loses something, but not much.
TEST(Int8Attention, IsNearToFp32Attention) {
  LINNET_NEEDS(folder());
  const Tokens tokens(every_length());
  EncoderModel model = load(test::levels().back(), Precision::kFloat32);
  const std::vector<float> exact = hidden_of(model, {}, tokens.all());
  model.config.attention = AttentionKind::kInt8;
  const std::vector<float> got = hidden_of(model, {}, tokens.all());
  double squares = 0, errors = 0;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    squares += double{exact[i]} * exact[i];
    errors += (double{got[i]} - exact[i]) * (double{got[i]} - exact[i]);
  }
  EXPECT_GT(errors, 0);
  EXPECT_LT(errors, 0.02 * 0.02 * squares);
}

}  // namespace
}  // namespace linnet
