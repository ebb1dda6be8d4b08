// Loading small encoders that are made up here: what is refused, and what number formats become.
#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "engine/models/encoder_model.h"
#include "engine/models/encoder_session.h"
#include "tests/support/expect_error.h"
#include "tests/support/safetensors_bytes.h"
#include "tests/support/temp_dir.h"

namespace linnet {
namespace {

using test::TensorBytes;

constexpr std::string_view kBert = R"({"model_type": "bert", "architectures": ["BertForMaskedLM"],
  "vocab_size": 5, "hidden_size": 4, "num_attention_heads": 2, "num_hidden_layers": 2,
  "intermediate_size": 6, "max_position_embeddings": 3, "pruned_heads": {"1": [0]}})";
constexpr std::string_view kDistilBert =
    R"({"model_type": "distilbert", "architectures": ["DistilBertForSequenceClassification"],
  "vocab_size": 5, "dim": 4, "n_heads": 2, "n_layers": 2, "hidden_dim": 6,
  "max_position_embeddings": 3})";

std::string floats(const std::vector<float>& values) {
  std::string bytes(values.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

TensorBytes& named(std::vector<TensorBytes>& tensors, std::string_view name) {
  for (TensorBytes& t : tensors) {
    if (t.name == name) return t;
  }
  throw std::logic_error("no tensor " + std::string(name));
}

// Every tensor that the name table has for the head, with small values that F16 and BF16 hold.
std::vector<TensorBytes> tensors_of(std::string_view config) {
  const json::Document document = json::parse(config, "config.json", json::kConfigBytes);
  std::vector<TensorBytes> tensors;
  for (const weights::TensorRule& rule : describe_encoder(document.root()).rules) {
    if (rule.presence == weights::Presence::kUnused) continue;
    std::size_t elements = 1;
    for (const std::int64_t d : rule.shape) elements *= static_cast<std::size_t>(d);
    std::vector<float> values(elements);
    for (std::size_t i = 0; i < elements; ++i) {
      values[i] = 0.25f * static_cast<float>(static_cast<int>((i * 7 + tensors.size()) % 9) - 4);
    }
    tensors.push_back({rule.name, "F32", rule.shape, floats(values)});
    if (!rule.tied_to.empty()) tensors.back().data = named(tensors, rule.tied_to).data;
  }
  return tensors;
}
EncoderModel load(std::string_view config, const std::vector<TensorBytes>& tensors,
                  const LoadOptions& options = {}) {
  const test::TempDir dir;  // the mapping outlives it
  dir.write("config.json", config);
  dir.write("model.safetensors", test::safetensors_bytes(tensors));
  return load_encoder(weights::Checkpoint(dir.path()), options);
}

std::vector<float> hidden(const EncoderModel& model) {
  const std::vector<std::int32_t> tokens{4, 0, 2}, positions{0, 1, 2};
  const std::vector<std::int64_t> starts{0, 3};
  std::vector<float> out(12);
  EncoderOutputs outputs;
  outputs.last_hidden_state = {out.data(), 3, 4, 4};
  EncoderSession session(model, {});
  session.run({tokens, positions, {}, starts}, outputs);
  return out;
}

// The same values as `dtype`.
std::string converted(const std::string& f32, std::string_view dtype) {
  std::string out;
  const auto append = [&](auto bits) {
    out.append(reinterpret_cast<const char*>(&bits), sizeof bits);
  };
  for (std::size_t at = 0; at < f32.size(); at += sizeof(float)) {
    float value = 0;
    std::memcpy(&value, f32.data() + at, sizeof value);
    const auto bits = std::bit_cast<std::uint32_t>(value);
    if (dtype == "F64") {
      append(static_cast<double>(value));
    } else if (dtype == "BF16") {
      append(static_cast<std::uint16_t>(bits >> 16));
    } else if (value == 0) {
      append(std::uint16_t{0});
    } else {  // F16: exponent bias 15 for 127, 10 bits of fraction
      const std::uint32_t exponent = (bits >> 23 & 255) - 127 + 15;
      append(static_cast<std::uint16_t>((bits >> 31) << 15 | exponent << 10 | (bits >> 13 & 1023)));
    }
  }
  return out;
}

TEST(EncoderLoad, Ck06EveryFloatFormatIsTheSameModel) {
  for (const std::string_view config : {kBert, kDistilBert}) {
    const auto f32 = tensors_of(config);
    const std::vector<float> expected = hidden(load(config, f32));
    std::vector<TensorBytes> mixed = f32;
    constexpr std::string_view kTypes[] = {"F16", "BF16", "F64", "F32"};
    for (const std::string_view dtype : {kTypes[0], kTypes[1], kTypes[2]}) {
      auto tensors = f32;
      for (TensorBytes& t : tensors) {
        t.data = converted(t.data, dtype);
        t.dtype = dtype;
      }
      const EncoderModel model = load(config, tensors);
      EXPECT_EQ(hidden(model), expected) << dtype;
      EXPECT_EQ(model.warnings.size(), dtype == "F64" ? 1u : 0u);
    }
    for (std::size_t i = 0; i < mixed.size(); ++i) {
      const std::string_view dtype = kTypes[i % 4];
      if (dtype == "F32") continue;
      mixed[i].data = converted(mixed[i].data, dtype);
      mixed[i].dtype = dtype;
    }
    EXPECT_EQ(hidden(load(config, mixed)), expected);
  }
}

// In each tensor, at its first and last element.
TEST(EncoderLoad, Ck16RefusesWeightsThatAreNotFinite) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  for (const std::string_view config : {kBert, kDistilBert}) {
    const auto good = tensors_of(config);
    for (std::size_t i = 0; i < good.size(); ++i) {
      // One of the decoder's two biases is enough; the other is not read.
      if (good[i].name == "cls.predictions.bias") continue;
      const std::size_t last = good[i].data.size() / sizeof(float) - 1;
      for (const std::size_t element : {std::size_t{0}, last}) {
        auto tensors = good;
        const float bad = element == 0 ? std::numeric_limits<float>::quiet_NaN() : -kInf;
        std::memcpy(tensors[i].data.data() + element * sizeof bad, &bad, sizeof bad);
        const std::string message =
            test::error_of(ErrorCode::kNumeric, [&] { load(config, tensors); });
        EXPECT_NE(message.find("tensor \"" + good[i].name + "\": element " +
                               std::to_string(element) + " is not finite"),
                  message.npos)
            << message;
        LoadOptions options;
        options.non_finite = NonFinite::kAllow;
        load(config, tensors, options);
      }
    }
  }
}

TEST(EncoderLoad, Ck18RefusesSizesThatTheTensorsDoNotHave) {
  const auto tensors = tensors_of(kBert);
  const auto refused = [&](std::string_view from, std::string_view to, std::string_view expected) {
    std::string config(kBert);
    config.replace(config.find(from), from.size(), to);
    const std::string message = test::error_of(ErrorCode::kFormat, [&] { load(config, tensors); });
    EXPECT_NE(message.find(expected), message.npos) << message;
  };
  refused("\"vocab_size\": 5", "\"vocab_size\": 4", "has shape [5], expected [4]");
  refused("\"vocab_size\": 5", "\"vocab_size\": 8000000", "has shape [5], expected [8000000]");
  refused("_embeddings\": 3", "_embeddings\": 4", "has shape [3, 4], expected [4, 4]");
  refused("\"intermediate_size\": 6", "\"intermediate_size\": 7", "expected [7");
  refused("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3", "encoder.layer.2.output");
  refused("{\"1\": [0]}", "{}",
          "1.attention.output.dense.weight\" has shape [4, 2], expected [4, 4]");
}

TEST(EncoderLoad, NeedsABiasOfTheDecoderUnderOneOfItsNames) {
  auto tensors = tensors_of(kBert);
  std::erase_if(tensors, [](const TensorBytes& t) { return t.name == "cls.predictions.bias"; });
  load(kBert, tensors);
  named(tensors, "cls.predictions.decoder.bias").name = "cls.predictions.bias";
  load(kBert, tensors);
  std::erase_if(tensors, [](const TensorBytes& t) { return t.name == "cls.predictions.bias"; });
  EXPECT_NE(test::error_of(ErrorCode::kFormat, [&] { load(kBert, tensors); }).find("bias"),
            std::string::npos);
}

}  // namespace
}  // namespace linnet
