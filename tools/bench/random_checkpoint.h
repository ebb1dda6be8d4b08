#pragma once

#include <array>
#include <filesystem>
#include <string>
#include <string_view>

namespace linnet::bench {

/// A well-known model's shape: speed does not depend on what a model has learned.
struct RandomModel {
  std::string_view name;
  std::string_view config;  // config.json
};
inline constexpr std::array<RandomModel, 4> kRandomModels{{
    {"distilbert",
     R"({"architectures": ["DistilBertForSequenceClassification"], "model_type": "distilbert"})"},
    {"bert-base", R"({"architectures": ["BertForSequenceClassification"], "model_type": "bert"})"},
    {"minilm", R"({"architectures": ["BertForSequenceClassification"], "model_type": "bert",
                   "hidden_size": 384, "num_hidden_layers": 6, "intermediate_size": 1536})"},
    {"gpt2", R"({"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2"})"},
}};

/// Writes a model directory with the shapes that `config_json` asks for and normally distributed
/// weights (standard deviation 0.02, LayerNorm weights about 1), the same ones every time.
void write_random_checkpoint(const std::filesystem::path& directory,
                             const std::string& config_json);

}  // namespace linnet::bench
