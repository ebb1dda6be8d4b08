// Every golden case of BERT and DistilBERT: hidden states layer by layer, then the head's outputs.
#include <gtest/gtest.h>

#include <array>

#include "engine/models/encoder_model.h"
#include "engine/models/encoder_session.h"
#include "tests/support/expect_error.h"
#include "tests/support/golden.h"
#include "tests/support/temp_dir.h"

namespace linnet {
namespace {

namespace fs = std::filesystem;
using test::GoldenBatch;
using test::GoldenFile;

constexpr std::array kCases{
    "bert_base",
    "bert_pooler",
    "bert_prefixed_base",
    "bert_wide",
    "bert_odd",
    "bert_one_head",
    "bert_types3",
    "bert_eps",
    "bert_gamma_beta",
    "bert_position_ids_buffer",
    "bert_sharded",
    "bert_act_gelu_new",
    "bert_act_gelu_pytorch_tanh",
    "bert_act_quick_gelu",
    "bert_act_relu",
    "bert_act_silu",
    "bert_act_tanh",
    "bert_seqcls",
    "bert_seqcls_bf16",
    "bert_seqcls_f16",
    "bert_seqcls_f64",
    "bert_seqcls_multilabel",
    "bert_seqcls_noprefix",
    "bert_seqcls_regression",
    "bert_seqcls_text",
    "bert_mc",
    "bert_nsp",
    "bert_tokcls",
    "bert_qa",
    "bert_mlm",
    "bert_mlm_decoder_present",
    "bert_mlm_untied",
    "bert_pretraining",
    "distilbert_base",
    "distilbert_relu",
    "distilbert_sinusoidal",
    "distilbert_seqcls",
    "distilbert_seqcls_regression",
    "distilbert_mc",
    "distilbert_tokcls",
    "distilbert_qa",
    "distilbert_mlm",
    "distilbert_mlm_relu",
};

class EncoderGolden : public testing::TestWithParam<const char*> {};

// The rows of a padded golden output [B·T, C] that belong to real tokens.
std::vector<float> real_rows(const GoldenFile& io, const std::string& name, const GoldenBatch& b) {
  const auto all = io.values<float>(name);
  const auto ids = io.values<std::int64_t>(name.substr(0, name.find('.')) + ".input_ids");
  const std::size_t C = all.size() / ids.size();
  std::vector<float> rows;
  for (const std::int64_t r : b.column_rows) {
    const auto begin = all.begin() + r * static_cast<std::int64_t>(C);
    rows.insert(rows.end(), begin, begin + static_cast<std::int64_t>(C));
  }
  return rows;
}

// An output matrix with memory of its own.
struct Output {
  std::vector<float> values;
  Mat<float> mat;
  Output(std::int64_t rows, std::int64_t cols)
      : values(static_cast<std::size_t>(rows * cols)), mat{values.data(), rows, cols, cols} {}
};

void run_batch(EncoderSession& session, const GoldenFile& io, const std::string& name) {
  const EncoderModel& m = session.model();
  const GoldenBatch g(io, name);
  const Batch batch{g.tokens, g.positions, g.types, g.starts};
  const std::int64_t B = batch.B(), T = batch.T();
  Output last(T, m.config.D), pooled(B, m.config.D);
  Output sequence(B, m.head.sequence_classifier.N), tokens(T, m.head.token_classifier.N),
      vocabulary(T, m.head.decoder.N);
  std::vector<std::int64_t> rows;
  for (std::int64_t t = 0; t < T; ++t) rows.push_back(t);
  EncoderOutputs out;
  out.last_hidden_state = last.mat;
  if (m.head.pooler.packed != nullptr) out.pooler_output = pooled.mat;
  if (m.head.sequence_classifier.packed != nullptr) out.sequence_logits = sequence.mat;
  if (m.head.token_classifier.packed != nullptr) out.token_logits = tokens.mat;
  if (m.head.decoder.packed != nullptr) {
    out.vocabulary_logits = vocabulary.mat;
    out.vocabulary_rows = rows;
  }
  std::vector<std::vector<float>> hidden(static_cast<std::size_t>(m.config.layers()) + 1);
  const auto observe = [&](std::int64_t index, std::int64_t, Mat<const float> x) {
    auto& h = hidden[static_cast<std::size_t>(index)];
    h.insert(h.end(), x.data, x.data + x.rows * x.cols);
  };
  session.observe(observe);
  session.run(batch, out);

  int compared = 0;
  const auto compare = [&](const std::vector<float>& got, const std::string& output,
                           bool per_token) {
    const std::string full = name + "." + output;
    if (!io.has(full)) return;
    test::expect_close(got, per_token ? real_rows(io, full, g) : io.values<float>(full), full);
    ++compared;
  };
  for (std::size_t i = 0; i < hidden.size(); ++i) {
    compare(hidden[i], "hidden_states." + std::to_string(i), true);
  }
  compare(last.values, "last_hidden_state", true);
  compare(pooled.values, "pooler_output", false);
  if (out.sequence_logits.data != nullptr) {
    const bool pretraining = m.head_kind == HeadKind::kPreTraining;
    compare(sequence.values, pretraining ? "seq_relationship_logits" : "logits", false);
  }
  if (m.head_kind == HeadKind::kTokenClassification) compare(tokens.values, "logits", true);
  if (m.head_kind == HeadKind::kQuestionAnswering) {
    std::vector<float> start, end;
    for (std::size_t i = 0; i < tokens.values.size(); i += 2) {
      start.push_back(tokens.values[i]);
      end.push_back(tokens.values[i + 1]);
    }
    compare(start, "start_logits", true);
    compare(end, "end_logits", true);
  }
  if (out.vocabulary_logits.data != nullptr) {
    compare(vocabulary.values,
            m.head_kind == HeadKind::kPreTraining ? "prediction_logits" : "logits", true);
  }
  EXPECT_GE(compared, m.config.layers() + 2) << name;
}

// What loading says about a case: nothing, except about a rounding and a decoder of its own.
std::vector<std::string> expected_warnings(std::string_view name) {
  if (name == "bert_seqcls_f64") return {"41 tensors are F64 and get rounded to F32"};
  if (name == "bert_mlm_untied") {
    return {
        "tensor \"cls.predictions.decoder.weight\" differs from "
        "\"bert.embeddings.word_embeddings.weight\", to which it is usually tied: both are kept"};
  }
  return {};
}

TEST_P(EncoderGolden, EveryLayerAndOutput) {
  const fs::path folder = test::data_dir() / "goldens" / GetParam();
  LINNET_NEEDS(folder);
  const GoldenFile io(folder / "io.safetensors");
  LoadOptions options;
  options.isa = kernels::supported_isas().back();
  const EncoderModel model = load_encoder(weights::Checkpoint(folder), options);
  EXPECT_EQ(model.warnings, expected_warnings(GetParam()));
  EncoderSession session(model, {.threads = 2, .tokens_per_pass = 1});
  for (const std::string& batch : io.batches()) run_batch(session, io, batch);
}

// A real file without embeddings: the message lists exactly these.
TEST(EncoderLoad, Ck21ListsTheMissingEmbeddings) {
  const fs::path file = test::data_dir() / "checkpoints/bert-tiny-sst2-encoder/encoder.safetensors";
  LINNET_NEEDS(file);
  const test::TempDir dir;
  dir.write("config.json", R"({"model_type": "bert", "hidden_size": 128, "num_hidden_layers": 2,
      "num_attention_heads": 2, "intermediate_size": 512, "num_labels": 2,
      "architectures": ["BertForSequenceClassification"]})");
  fs::copy_file(file, dir.path("model.safetensors"));
  const std::string message = test::error_of(
      ErrorCode::kFormat, [&] { load_encoder(weights::Checkpoint(dir.path()), {}); });
  EXPECT_EQ(message, dir.path().string() +
                         ": these tensors are missing:\n"
                         "  embeddings.word_embeddings.weight [30522, 128]\n"
                         "  embeddings.position_embeddings.weight [512, 128]\n"
                         "  embeddings.token_type_embeddings.weight [2, 128]\n"
                         "  embeddings.LayerNorm.weight [128]\n"
                         "  embeddings.LayerNorm.bias [128]");
}

INSTANTIATE_TEST_SUITE_P(Cases, EncoderGolden, testing::ValuesIn(kCases),
                         [](const auto& p) { return std::string(p.param); });

}  // namespace
}  // namespace linnet
