// What config.json says, and what it must not say.
#include <gtest/gtest.h>

#include <numeric>
#include <string>
#include <vector>

#include "engine/models/bert_config.h"
#include "engine/models/distilbert_config.h"
#include "engine/models/encoder_model.h"
#include "tests/support/expect_error.h"
#include "weights/base/json_writer.h"

namespace linnet {
namespace {

using kernels::Activation;

// config.json of a BERT with these members, e.g. R"("hidden_size": 12)".
template <class Config = BertConfig>
Config read(const std::string& members, const std::string& type = "bert") {
  const std::string text = std::string("{\"model_type\": \"")
                               .append(type)
                               .append(members.empty() ? "\"" : "\", ")
                               .append(members)
                               .append("}");
  return Config::from_json(json::parse(text, "config.json", json::kConfigBytes).root());
}
DistilBertConfig read_distilbert(const std::string& members) {
  return read<DistilBertConfig>(members, "distilbert");
}

void expect_refused(const std::string& members, std::string_view message,
                    ErrorCode code = ErrorCode::kFormat) {
  const std::string text = test::error_of(code, [&] { read(members); });
  EXPECT_NE(text.find(message), text.npos) << members << "\n" << text;
  EXPECT_TRUE(text.starts_with("config.json")) << text;
}

std::string in_quotes(std::string_view text) { return std::string("\"").append(text).append("\""); }
std::string member(std::string_view key, std::string_view value) {
  return in_quotes(key).append(": ").append(value);
}

using Labels = std::vector<std::string>;

std::string label(int i) { return std::string("label ").append(std::to_string(i)); }
std::string id2label(const std::vector<int>& order) {
  json::Writer out;
  out.begin_object();
  for (const int i : order) out.key(std::to_string(i)).string(label(i));
  return std::move(out.end_object()).text();
}

TEST(Config, HasTheDefaultsOfTheOriginals) {
  const BertConfig bert = read("");
  EXPECT_EQ(bert.vocab_size, 30522);
  EXPECT_EQ(bert.hidden_size, 768);
  EXPECT_EQ(bert.num_hidden_layers, 12);
  EXPECT_EQ(bert.num_attention_heads, 12);
  EXPECT_EQ(bert.intermediate_size, 3072);
  EXPECT_EQ(bert.hidden_act, Activation::kGelu);
  EXPECT_EQ(bert.max_position_embeddings, 512);
  EXPECT_EQ(bert.type_vocab_size, 2);
  EXPECT_EQ(bert.layer_norm_eps, 1e-12);
  EXPECT_EQ(bert.common.pad_token_id, 0);
  EXPECT_EQ(bert.common.head, HeadKind::kBase);
  EXPECT_TRUE(bert.common.tie_word_embeddings);
  const DistilBertConfig distilbert = read_distilbert("");
  EXPECT_EQ(distilbert.n_layers, 6);
  EXPECT_EQ(distilbert.n_heads, 12);
  EXPECT_EQ(distilbert.dim, 768);
  EXPECT_EQ(distilbert.hidden_dim, 3072);
  EXPECT_EQ(distilbert.encoder().layer_norm_eps, 1e-12f);
  EXPECT_EQ(distilbert.encoder().token_types, 0);
}

TEST(Config, Ck05ReadsLabels) {
  EXPECT_EQ(read("").common.labels, (Labels{"LABEL_0", "LABEL_1"}));
  EXPECT_EQ(read(R"("id2label": null, "num_labels": 3)").common.labels,
            (Labels{"LABEL_0", "LABEL_1", "LABEL_2"}));
  EXPECT_EQ(read(R"("id2label": {"0": "yes"})").common.labels, (Labels{"yes"}));
  // By number, not by place and not as text: 10 follows 9.
  const Labels twelve =
      read(member("id2label", id2label({10, 2, 0, 11, 1, 3, 9, 8, 7, 6, 5, 4}))).common.labels;
  ASSERT_EQ(twelve.size(), 12u);
  for (std::size_t i = 0; i < 12; ++i) EXPECT_EQ(twelve[i], label(static_cast<int>(i)));
  std::vector<int> many(200);
  std::iota(many.begin(), many.end(), 0);
  json::Writer back;
  back.begin_object();
  for (const int i : many) back.key(label(i)).integer(i);
  back.end_object();
  const auto c = read(member("id2label", id2label(many)) + ", " + member("label2id", back.text()) +
                      ", " + member("num_labels", "200"));
  EXPECT_EQ(c.common.labels.size(), 200u);
}

TEST(Config, Ck05RefusesLabelsThatContradict) {
  expect_refused(R"("id2label": {"0": "a", "2": "b"})", "found 2 where 1 is due");
  expect_refused(R"("id2label": {"1": "a"})", "found 1 where 0 is due");
  for (const char* key : {"a", "", "-1", "1.0", "0x0", " 0", "0 ", "+0", "99999999999999999999"}) {
    expect_refused(
        member("id2label", std::string("{").append(member(key, in_quotes("a"))).append("}")),
        "is no label number");
  }
  expect_refused(R"("id2label": {})", "has no label");
  expect_refused(R"("id2label": ["a"])", "expected an object");
  expect_refused(R"("id2label": {"0": 1})", "expected a string");
  expect_refused(R"("id2label": {"0": "a", "1": "b"}, "num_labels": 3)", "id2label has 2 labels");
  expect_refused(R"("num_labels": 0)", "expected 1 to 1000000");
  const std::string two = R"("id2label": {"0": "a", "1": "b"}, "label2id": )";
  expect_refused(two + R"({"a": 1, "b": 0})", "which id2label calls");
  expect_refused(two + R"({"a": 0, "b": 2})", "expected 0 to 1");
  expect_refused(two + R"({"a": 0, "c": 1})", "which id2label calls \"b\"");
  expect_refused(two + R"({"a": 0})", "has 1 labels, id2label has 2");
  expect_refused(R"("id2label": {"0": "a", "1": "a"}, "label2id": {"a": 1})",
                 "has 1 labels, id2label has 2");
  read(two + R"({"b": 1, "a": 0})");
  read(two + "null");
}

TEST(Config, Ck08IgnoresWhatIsNotItsOwn) {
  const BertConfig c = read(
      R"("_name_or_path": "x", "architectures": ["BertForMaskedLM"], "use_cache": true,
         "transformers_version": "4.57.1", "gradient_checkpointing": false, "output_past": true,
         "directionality": "bidi", "pooler_fc_size": 768, "pooler_num_fc_layers": 3,
         "pooler_type": "first_token_transform", "n_ctx": 1024, "finetuning_task": "sst2",
         "task_specific_params": {"a": [1, {"b": null}]}, "torch_dtype": "float32",
         "dtype": "float32", "chunk_size_feed_forward": 8, "bos_token_id": 0,
         "eos_token_id": [1, 2], "sep_token_id": null, "is_decoder": false,
         "add_cross_attention": null, "auto_map": null, "quantization_config": null,
         "problem_type": null, "pruned_heads": {}, "hidden_dropout_prob": "no number",
         "classifier_dropout": null, "initializer_range": {"__float__": "NaN"})");
  EXPECT_EQ(c.common.head, HeadKind::kMaskedLm);
  EXPECT_EQ(c.hidden_size, 768);
  EXPECT_EQ(c.common.problem_type, ProblemType::kUnset);
}

TEST(Config, Ck08ReadsBothSpellings) {
  const DistilBertConfig old = read_distilbert(R"("dim": 24, "n_heads": 3, "n_layers": 2)");
  const DistilBertConfig other =
      read_distilbert(R"("hidden_size": 24, "num_attention_heads": 3, "num_hidden_layers": 2)");
  const DistilBertConfig both = read_distilbert(
      R"("dim": 24, "hidden_size": 24, "n_heads": 3, "n_layers": 2, "num_hidden_layers": 2)");
  for (const DistilBertConfig& c : {old, other, both}) {
    EXPECT_EQ(c.dim, 24);
    EXPECT_EQ(c.n_heads, 3);
    EXPECT_EQ(c.n_layers, 2);
  }
  EXPECT_NE(
      test::error_of(ErrorCode::kFormat, [] { read_distilbert(R"("dim": 24, "hidden_size": 36)"); })
          .find("hidden_size: found 36, but dim says 24"),
      std::string::npos);
}

TEST(Config, ReadsTheArchitecture) {
  const auto head = [](const std::string& text) {
    return read_common_config(json::parse(text, "config.json", json::kConfigBytes).root());
  };
  const std::pair<const char*, HeadKind> heads[] = {
      {"Model", HeadKind::kBase},
      {"ForSequenceClassification", HeadKind::kSequenceClassification},
      {"ForMultipleChoice", HeadKind::kMultipleChoice},
      {"ForTokenClassification", HeadKind::kTokenClassification},
      {"ForQuestionAnswering", HeadKind::kQuestionAnswering},
      {"ForMaskedLM", HeadKind::kMaskedLm},
      {"ForNextSentencePrediction", HeadKind::kNextSentence},
      {"ForPreTraining", HeadKind::kPreTraining}};
  for (const auto& [suffix, kind] : heads) {
    const std::string list =
        member("architectures", std::string("[\"Bert").append(suffix).append("\"]"));
    EXPECT_EQ(read(list).common.head, kind) << suffix;
    EXPECT_EQ(head("{" + list + "}").model_type, "bert");
  }
  EXPECT_EQ(head(R"({"architectures": ["DistilBertModel"]})").model_type, "distilbert");
  EXPECT_EQ(read(R"("architectures": [])").common.head, HeadKind::kBase);
  EXPECT_EQ(read(R"("architectures": null)").common.head, HeadKind::kBase);
  test::error_of(ErrorCode::kFormat, [&] { head("{}"); });
  test::error_of(ErrorCode::kFormat, [&] { head(R"({"architectures": []})"); });
}

TEST(Config, Ck09RefusesWhatIsNotSupported) {
  constexpr auto kCode = ErrorCode::kUnsupported;
  expect_refused(R"("quantization_config": {"bits": 4})", "quantised by another program", kCode);
  expect_refused(R"("auto_map": {"AutoModel": "x.py"})", "code of its own", kCode);
  expect_refused(R"("is_decoder": true)", "is_decoder true", kCode);
  expect_refused(R"("add_cross_attention": true)", "add_cross_attention true", kCode);
  expect_refused(R"("architectures": ["BertLMHeadModel"])", "\"BertLMHeadModel\"", kCode);
  expect_refused(R"("architectures": ["T5Model"])", "\"T5Model\"", kCode);
  for (const char* kind : {"relative_key", "relative_key_query"}) {
    expect_refused(member("position_embedding_type", in_quotes(kind)), "position_embedding_type",
                   kCode);
  }
  for (const char* act : {"relu6", "leaky_relu", "mish", "sigmoid", "linear", "laplace", "GELU"}) {
    expect_refused(member("hidden_act", in_quotes(act)), in_quotes(act), kCode);
  }
  const json::Document t5 = json::parse(R"({"model_type": "t5"})", "config.json", 99);
  EXPECT_NE(test::error_of(kCode, [&] { describe_encoder(t5.root()); }).find("\"t5\""),
            std::string::npos);
}

TEST(Config, ReadsActivations) {
  const std::pair<const char*, Activation> names[] = {
      {"gelu", Activation::kGelu},         {"gelu_python", Activation::kGelu},
      {"gelu_new", Activation::kGeluTanh}, {"gelu_fast", Activation::kGeluTanh},
      {"gelu_10", Activation::kGelu10},    {"gelu_pytorch_tanh", Activation::kGeluTanh},
      {"relu", Activation::kRelu},         {"quick_gelu", Activation::kQuickGelu},
      {"silu", Activation::kSilu},         {"swish", Activation::kSilu},
      {"tanh", Activation::kTanh}};
  for (const auto& [name, activation] : names) {
    const std::string value = in_quotes(name);
    EXPECT_EQ(read(member("hidden_act", value)).hidden_act, activation) << name;
    EXPECT_EQ(read_distilbert(member("activation", value)).activation, activation) << name;
  }
}

TEST(Config, RefusesValuesThatAreNoModel) {
  expect_refused(R"("hidden_size": 770)", "770 is no multiple of the 12 heads");
  expect_refused(R"("hidden_size": 0)", "expected 1 to 65536");
  expect_refused(R"("hidden_size": 65537)", "expected 1 to 65536");
  expect_refused(R"("num_hidden_layers": 513)", "expected 1 to 512");
  expect_refused(R"("num_hidden_layers": 0)", "expected 1 to 512");
  expect_refused(R"("num_attention_heads": 513)", "expected 1 to 512");
  expect_refused(R"("vocab_size": 8000001)", "expected 1 to 8000000");
  expect_refused(R"("max_position_embeddings": 1000001)", "expected 1 to 1000000");
  expect_refused(R"("intermediate_size": -1)", "expected 1 to 65536");
  for (const char* value : {"1.0", "1e3", "\"12\"", "[12]", "true", "18446744073709551616"}) {
    expect_refused(member("hidden_size", value), "expected an integer");
  }
  for (const char* value : {"-1e-12", R"({"__float__": "NaN"})", R"({"__float__": "Infinity"})"}) {
    expect_refused(member("layer_norm_eps", value), "layer_norm_eps");
  }
  expect_refused(R"("layer_norm_eps": "1e-12")", "expected a number");
  expect_refused(R"("problem_type": "ranking")", "\"ranking\"");
  expect_refused(R"("tie_word_embeddings": 1)", "expected a boolean");
  EXPECT_EQ(read(R"("hidden_size": null)").hidden_size, 768);
  EXPECT_EQ(read(R"("layer_norm_eps": 1)").layer_norm_eps, 1.0);
}

TEST(Config, Ck12PrunesHeads) {
  const std::string small = R"("hidden_size": 12, "num_attention_heads": 4,
                               "num_hidden_layers": 3, "pruned_heads": )";
  const EncoderConfig e = read(small + R"({"0": [1], "2": [3, 0, 3]})").encoder();
  EXPECT_EQ(e.heads, (std::vector<std::int64_t>{3, 4, 2}));
  EXPECT_EQ(e.head_width, 3);
  expect_refused(small + R"({"3": [0]})", "layer 3, the model has 3");
  expect_refused(small + R"({"0": [4]})", "head 4 of 4");
  expect_refused(small + R"({"1": [0, 1, 2, 3]})", "layer 1 has no head left");
  expect_refused(small + R"({"0": [-1]})", "expected 0 to 512");
  expect_refused(small + R"({"x": [0]})", "is no label number");
  expect_refused(small + "[[0]]", "expected an object");
}

// The matrices of a layer shrink with its heads: queries, keys and values in their rows, the
// projection behind them in its columns.
TEST(Config, Ck12PrunedHeadsShrinkTheirTensors) {
  const std::string small = R"("num_hidden_layers": 2, "pruned_heads": {"1": [0, 2]}, )";
  const auto shape = [](const std::vector<weights::TensorRule>& rules, std::string_view name) {
    for (const weights::TensorRule& rule : rules) {
      if (rule.name == name) return rule.shape;
    }
    return std::vector<std::int64_t>{};
  };
  using Shape = std::vector<std::int64_t>;
  const auto bert =
      bert_tensors(read(small + R"("hidden_size": 12, "num_attention_heads": 4)"), HeadKind::kBase);
  EXPECT_EQ(shape(bert, "encoder.layer.0.attention.self.key.weight"), (Shape{12, 12}));
  EXPECT_EQ(shape(bert, "encoder.layer.1.attention.self.key.weight"), (Shape{6, 12}));
  EXPECT_EQ(shape(bert, "encoder.layer.1.attention.self.value.bias"), (Shape{6}));
  EXPECT_EQ(shape(bert, "encoder.layer.1.attention.output.dense.weight"), (Shape{12, 6}));
  EXPECT_EQ(shape(bert, "encoder.layer.1.attention.output.dense.bias"), (Shape{12}));
  const auto distilbert =
      distilbert_tensors(read_distilbert(R"("dim": 12, "n_heads": 4, "n_layers": 2,
                                            "pruned_heads": {"1": [0, 2]})"),
                         HeadKind::kBase);
  EXPECT_EQ(shape(distilbert, "transformer.layer.1.attention.q_lin.weight"), (Shape{6, 12}));
  EXPECT_EQ(shape(distilbert, "transformer.layer.1.attention.out_lin.weight"), (Shape{12, 6}));
}

}  // namespace
}  // namespace linnet
