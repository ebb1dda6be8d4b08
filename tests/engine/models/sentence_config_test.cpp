// The files of sentence-transformers beside an encoder of width 8.
#include "engine/models/sentence_config.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/expect_error.h"
#include "tests/support/temp_dir.h"

namespace linnet {
namespace {

using kernels::Activation;
using Kind = SentenceStep::Kind;
using Files = std::initializer_list<std::pair<const char*, std::string>>;

SentenceConfig read(const Files& files) {
  const test::TempDir dir;
  for (const auto& [name, text] : files) dir.write(name, text);
  return read_sentence_config(weights::Directory(dir.path()), 8);
}

void expect_refused(const Files& files, std::string_view message,
                    ErrorCode code = ErrorCode::kFormat) {
  const std::string text = test::error_of(code, [&] { read(files); });
  EXPECT_NE(text.find(message), text.npos) << text;
}

// modules.json with these (class, folder); class paths as in old and new releases.
std::string modules(const std::vector<std::pair<std::string, std::string>>& list) {
  std::string text = "[";
  for (std::size_t i = 0; i < list.size(); ++i) {
    const char* path = i % 2 == 0 ? "sentence_transformers.models." : "sentence_transformers.a.b.";
    text.append(i == 0 ? "" : ", ").append("{\"idx\": ").append(std::to_string(i));
    text.append(", \"type\": \"").append(path).append(list[i].first);
    text.append("\", \"path\": \"").append(list[i].second).append("\", \"kwargs\": []}");
  }
  return text + "]";
}

const std::string kMeanPooling =
    R"({"word_embedding_dimension": 8, "pooling_mode_mean_tokens": true})";

TEST(SentenceConfig, WithoutModulesIsAMean) {
  const SentenceConfig c = read({});
  EXPECT_EQ(c.pooling, std::vector{Pooling::kMean});
  EXPECT_TRUE(c.steps.empty());
  EXPECT_TRUE(c.include_prompt);
  EXPECT_FALSE(c.max_seq_length);
  EXPECT_EQ(c.similarity, "cosine");
  EXPECT_EQ(c.dimensions(8), 8);
}

TEST(SentenceConfig, Ck13ReadsTwoToFiveModules) {
  const auto two = read({{"modules.json", modules({{"Transformer", ""}, {"Pooling", "1_Pooling"}})},
                         {"1_Pooling/config.json", kMeanPooling}});
  EXPECT_TRUE(two.steps.empty());
  // The folder of Normalize may be missing.
  const auto three = read(
      {{"modules.json",
        modules({{"Transformer", ""}, {"Pooling", "1_Pooling"}, {"Normalize", "2_Normalize"}})},
       {"1_Pooling/config.json", kMeanPooling}});
  ASSERT_EQ(three.steps.size(), 1u);
  EXPECT_EQ(three.steps[0].kind, Kind::kNormalize);
  const auto five =
      read({{"modules.json", modules({{"Transformer", ""},
                                      {"Pooling", "1_Pooling"},
                                      {"Dropout", "2_Dropout"},
                                      {"Dense", "3_Dense"},
                                      {"Normalize", "4_Normalize"}})},
            {"1_Pooling/config.json", kMeanPooling},
            {"3_Dense/config.json", R"({"in_features": 8, "out_features": 3, "bias": false,
          "activation_function": "torch.nn.modules.linear.Identity"})"}});
  ASSERT_EQ(five.steps.size(), 2u);
  EXPECT_EQ(five.steps[0].kind, Kind::kDense);
  EXPECT_EQ(five.steps[0].folder, "3_Dense");
  EXPECT_EQ(five.steps[0].activation, Activation::kNone);
  EXPECT_FALSE(five.steps[0].bias);
  EXPECT_EQ(five.steps[1].kind, Kind::kNormalize);
  EXPECT_EQ(five.dimensions(8), 3);
}

TEST(SentenceConfig, Ck13ReadsDenseActivations) {
  const std::pair<const char*, Activation> cases[] = {
      {R"(, "activation_function": "torch.nn.modules.activation.Tanh")", Activation::kTanh},
      {R"(, "activation_function": "torch.nn.modules.linear.Identity")", Activation::kNone},
      {R"(, "activation_function": "torch.nn.modules.activation.ReLU")", Activation::kRelu},
      {R"(, "activation_function": "torch.nn.modules.activation.GELU")", Activation::kGelu},
      {R"(, "activation_function": "torch.nn.modules.activation.Sigmoid")", Activation::kSigmoid},
      {R"(, "activation_function": "Tanh")", Activation::kTanh},
      {"", Activation::kTanh}};
  const std::string list =
      modules({{"Transformer", ""}, {"Pooling", "1_Pooling"}, {"Dense", "2_Dense"}});
  for (const auto& [activation, expected] : cases) {
    const auto c =
        read({{"modules.json", list},
              {"1_Pooling/config.json", kMeanPooling},
              {"2_Dense/config.json",
               std::string(R"({"in_features": 8, "out_features": 4)") + activation + "}"}});
    ASSERT_EQ(c.steps.size(), 1u);
    EXPECT_EQ(c.steps[0].activation, expected) << activation;
    EXPECT_TRUE(c.steps[0].bias);
  }
  expect_refused({{"modules.json", list},
                  {"1_Pooling/config.json", kMeanPooling},
                  {"2_Dense/config.json",
                   R"({"in_features": 8, "out_features": 4, "activation_function": "a.Mish"})"}},
                 "\"a.Mish\" is not supported", ErrorCode::kUnsupported);
  expect_refused({{"modules.json", list},
                  {"1_Pooling/config.json", kMeanPooling},
                  {"2_Dense/config.json", R"({"in_features": 9, "out_features": 4})"}},
                 "takes 9 features, the module before it gives 8");
  expect_refused({{"modules.json", list}, {"1_Pooling/config.json", kMeanPooling}}, "is missing",
                 ErrorCode::kIo);
}

TEST(SentenceConfig, Ck13ConcatenatesPoolingModes) {
  using enum Pooling;
  const std::string list = modules({{"Transformer", ""}, {"Pooling", "1_Pooling"}});
  const auto pooling = [&](const std::string& text) {
    return read({{"modules.json", list}, {"1_Pooling/config.json", text}});
  };
  // In a fixed order, whatever the order in the file.
  const SentenceConfig two =
      pooling(R"({"pooling_mode_mean_tokens": true, "pooling_mode_cls_token": true})");
  EXPECT_EQ(two.pooling, (std::vector{kCls, kMean}));
  EXPECT_EQ(two.dimensions(8), 16);
  const std::vector all{kCls, kMax, kMean, kMeanSqrtLen, kWeightedMean, kLastToken};
  EXPECT_EQ(pooling(R"({"pooling_mode_lasttoken": true, "pooling_mode_weightedmean_tokens": true,
                        "pooling_mode_mean_sqrt_len_tokens": true, "pooling_mode_mean_tokens": true,
                        "pooling_mode_max_tokens": true, "pooling_mode_cls_token": true})")
                .pooling,
            all);
  EXPECT_EQ(pooling(R"({"pooling_mode": "cls"})").pooling, std::vector{kCls});
  EXPECT_EQ(pooling(R"({"pooling_mode": ["mean", "max"]})").pooling, (std::vector{kMax, kMean}));
  EXPECT_EQ(pooling(R"({"pooling_mode": "lasttoken+cls"})").pooling,
            (std::vector{kCls, kLastToken}));
  EXPECT_FALSE(pooling(R"({"include_prompt": false})").include_prompt);
  expect_refused({{"modules.json", list}, {"1_Pooling/config.json", R"({"pooling_mode": "sum"})"}},
                 "the pooling \"sum\" is not known");
  expect_refused(
      {{"modules.json", list}, {"1_Pooling/config.json", R"({"word_embedding_dimension": 9})"}},
      "pools vectors of width 9, the encoder's have 8");
}

TEST(SentenceConfig, Ck13RefusesOtherModules) {
  const std::pair<const char*, std::string> pooling{"1_Pooling/config.json", kMeanPooling};
  const auto refused = [&](const std::vector<std::pair<std::string, std::string>>& list,
                           std::string_view message, ErrorCode code = ErrorCode::kFormat) {
    expect_refused({{"modules.json", modules(list)}, pooling}, message, code);
  };
  refused({}, "has no Pooling");
  refused({{"Transformer", ""}}, "has no Pooling");
  refused({{"Pooling", "1_Pooling"}}, "expected Transformer, then Pooling");
  refused({{"Transformer", ""}, {"Normalize", ""}, {"Pooling", "1_Pooling"}},
          "expected Transformer, then Pooling");
  refused({{"Transformer", ""}, {"Pooling", "1_Pooling"}, {"Pooling", "1_Pooling"}},
          "expected Transformer, then Pooling");
  refused({{"Transformer", "0_Transformer"}, {"Pooling", "1_Pooling"}}, "beside modules.json");
  constexpr auto kUnsupported = ErrorCode::kUnsupported;
  refused({{"Transformer", ""}, {"Pooling", "1_Pooling"}, {"CNN", "2_CNN"}},
          "the module \"CNN\" is not supported", kUnsupported);
  refused({{"WordEmbeddings", ""}, {"Pooling", "1_Pooling"}},
          "the module \"WordEmbeddings\" is not supported", kUnsupported);
  refused({{"Transformer", ""}, {"LSTM", "1_LSTM"}, {"Pooling", "1_Pooling"}},
          "the module \"LSTM\" is not supported", kUnsupported);
  for (const char* path : {"../1_Pooling", "/1_Pooling", "a/1_Pooling", "..", ".\\\\x"}) {
    test::error_of(ErrorCode::kFormat, [&] {
      read({{"modules.json", modules({{"Transformer", ""}, {"Pooling", path}})}, pooling});
    });
  }
}

TEST(SentenceConfig, ReadsLengthsUnderOldNamesToo) {
  for (const char* file : {"sentence_bert_config.json", "sentence_roberta_config.json",
                           "sentence_distilbert_config.json", "sentence_camembert_config.json",
                           "sentence_albert_config.json", "sentence_xlm-roberta_config.json",
                           "sentence_xlnet_config.json"}) {
    const auto c = read({{file, R"({"max_seq_length": 40, "do_lower_case": true})"}});
    EXPECT_EQ(c.max_seq_length, 40) << file;
    EXPECT_TRUE(c.do_lower_case);
  }
  EXPECT_FALSE(read({{"sentence_bert_config.json", R"({"max_seq_length": null})"}}).max_seq_length);
  expect_refused({{"sentence_bert_config.json", R"({"max_seq_length": 0})"}}, "expected 1 to");
}

TEST(SentenceConfig, ReadsPrompts) {
  const char* file = "config_sentence_transformers.json";
  const auto c = read({{file, R"({"prompts": {"query": "q: ", "none": ""}, "x": 1,
                                  "default_prompt_name": "query", "similarity_fn_name": "dot"})"}});
  EXPECT_EQ(c.prompt("query"), "q: ");
  EXPECT_EQ(c.prompt("none"), "");
  EXPECT_EQ(c.default_prompt_name, "query");
  EXPECT_EQ(c.similarity, "dot");
  EXPECT_NE(test::error_of(ErrorCode::kInvalidArgument, [&] { c.prompt("a"); })
                .find("\"query\", \"none\""),
            std::string::npos);
  expect_refused({{file, R"({"default_prompt_name": "query"})"}}, "names no prompt");
}

// The first that is given of: asked, sentence configuration, tokenizer; the positions are the most.
TEST(SentenceConfig, Ck15OrdersTheLengths) {
  constexpr std::int64_t kPositions = 512;
  for (int given = 0; given < 8; ++given) {
    for (const std::int64_t longer : {0, 1000}) {
      std::optional<std::int64_t> asked, tokenizer;
      SentenceConfig config;
      if (given & 1) tokenizer = 300 + longer;
      if (given & 2) config.max_seq_length = 200 + longer;
      if (given & 4) asked = 100 + longer;
      const std::int64_t first = given & 4 ? 100 : given & 2 ? 200 : given & 1 ? 300 : kPositions;
      EXPECT_EQ(effective_max_length(asked, config, tokenizer, kPositions),
                longer == 0 ? first : kPositions)
          << given;
    }
  }
}

}  // namespace
}  // namespace linnet
