#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "tests/support/safetensors_bytes.h"
#include "tests/support/temp_dir.h"

// Small random models in the layouts of well-known repositories.
namespace linnet::test {

/// Config and tensors of a model; change them, then write().
struct SmallModel {
  nlohmann::json config;
  std::vector<TensorBytes> tensors;
  std::mt19937 random{7};

  void add(const std::string& name, std::vector<std::int64_t> shape) {
    std::int64_t n = 1;
    for (const std::int64_t d : shape) n *= d;
    std::vector<float> values(static_cast<std::size_t>(n));
    std::uniform_real_distribution<float> u(-1, 1);
    for (float& v : values) v = u(random);
    tensors.push_back(f32_tensor(name, values, std::move(shape)));
  }
  void linear(const std::string& name, std::int64_t N, std::int64_t K) {
    add(name + ".weight", {N, K});
    add(name + ".bias", {N});
  }
  void norm(const std::string& name, const char* scale = "weight", const char* shift = "bias") {
    add(name + "." + scale, {kWidth});
    add(name + "." + shift, {kWidth});
  }
  void copy(const std::string& from, const std::string& to) {
    TensorBytes copy = *find(from);
    copy.name = to;
    tensors.push_back(std::move(copy));
  }
  void position_ids(const std::string& name, bool ascending = true) {
    std::string data;
    for (std::int64_t i = 0; i < kPositions; ++i) {
      const std::int64_t id = ascending ? i : kPositions - 1 - i;
      data.append(reinterpret_cast<const char*>(&id), sizeof id);
    }
    tensors.push_back({name, "I64", {1, kPositions}, data});
  }
  void set(const std::string& name, std::size_t element, float value) {
    std::memcpy(find(name)->data.data() + element * sizeof value, &value, sizeof value);
  }
  std::vector<TensorBytes>::iterator find(const std::string& name) {
    const auto it = std::find_if(tensors.begin(), tensors.end(),
                                 [&](const TensorBytes& t) { return t.name == name; });
    if (it == tensors.end()) throw std::runtime_error("no tensor " + name);
    return it;
  }
  void erase(const std::string& name) { tensors.erase(find(name)); }
  void write(const TempDir& dir, const std::string& folder = "model") const {
    dir.write(folder + "/config.json", config.dump(2));
    dir.write(folder + "/model.safetensors", safetensors_bytes(tensors));
  }

  static constexpr std::int64_t kWidth = 8, kVocabulary = 12, kPositions = 10, kInner = 16;
};

/// A BERT encoder. `prefix` and the names of LayerNorm's parameters are those of the repository.
inline SmallModel small_bert(const std::string& prefix, const char* scale = "weight",
                             const char* shift = "bias") {
  constexpr std::int64_t H = SmallModel::kWidth, I = SmallModel::kInner;
  SmallModel m;
  m.config = {{"model_type", "bert"},
              {"architectures", {"BertModel"}},
              {"vocab_size", SmallModel::kVocabulary},
              {"hidden_size", H},
              {"num_hidden_layers", 2},
              {"num_attention_heads", 2},
              {"intermediate_size", I},
              {"max_position_embeddings", SmallModel::kPositions},
              {"type_vocab_size", 2}};
  m.add(prefix + "embeddings.word_embeddings.weight", {SmallModel::kVocabulary, H});
  m.add(prefix + "embeddings.position_embeddings.weight", {SmallModel::kPositions, H});
  m.add(prefix + "embeddings.token_type_embeddings.weight", {2, H});
  m.norm(prefix + "embeddings.LayerNorm", scale, shift);
  for (int i = 0; i < 2; ++i) {
    const std::string layer = prefix + "encoder.layer." + std::to_string(i) + ".";
    for (const char* part : {"query", "key", "value"})
      m.linear(layer + "attention.self." + part, H, H);
    m.linear(layer + "attention.output.dense", H, H);
    m.norm(layer + "attention.output.LayerNorm", scale, shift);
    m.linear(layer + "intermediate.dense", I, H);
    m.linear(layer + "output.dense", H, I);
    m.norm(layer + "output.LayerNorm", scale, shift);
  }
  m.linear(prefix + "pooler.dense", H, H);
  return m;
}

/// bert-base-uncased as published in 2018: prefix, gamma and beta, both pre-training heads.
inline SmallModel bert_base_uncased() {
  constexpr std::int64_t H = SmallModel::kWidth, V = SmallModel::kVocabulary;
  SmallModel m = small_bert("bert.", "gamma", "beta");
  m.config["architectures"] = {"BertForMaskedLM"};
  m.linear("cls.predictions.transform.dense", H, H);
  m.norm("cls.predictions.transform.LayerNorm", "gamma", "beta");
  m.add("cls.predictions.bias", {V});
  m.linear("cls.seq_relationship", 2, H);
  return m;
}

/// distilbert-base-uncased: masked language model with its tied projector in the file.
inline SmallModel distilbert_base_uncased() {
  constexpr std::int64_t H = SmallModel::kWidth, V = SmallModel::kVocabulary;
  SmallModel m;
  m.config = {{"model_type", "distilbert"},
              {"architectures", {"DistilBertForMaskedLM"}},
              {"vocab_size", V},
              {"dim", H},
              {"n_layers", 2},
              {"n_heads", 2},
              {"hidden_dim", SmallModel::kInner},
              {"max_position_embeddings", SmallModel::kPositions},
              {"tie_weights_", true}};
  const std::string base = "distilbert.";
  m.add(base + "embeddings.word_embeddings.weight", {V, H});
  m.add(base + "embeddings.position_embeddings.weight", {SmallModel::kPositions, H});
  m.norm(base + "embeddings.LayerNorm");
  for (int i = 0; i < 2; ++i) {
    const std::string layer = base + "transformer.layer." + std::to_string(i) + ".";
    for (const char* part : {"q_lin", "k_lin", "v_lin", "out_lin"})
      m.linear(layer + "attention." + part, H, H);
    m.norm(layer + "sa_layer_norm");
    m.linear(layer + "ffn.lin1", SmallModel::kInner, H);
    m.linear(layer + "ffn.lin2", H, SmallModel::kInner);
    m.norm(layer + "output_layer_norm");
  }
  m.linear("vocab_transform", H, H);
  m.norm("vocab_layer_norm");
  m.copy(base + "embeddings.word_embeddings.weight", "vocab_projector.weight");
  m.add("vocab_projector.bias", {V});
  return m;
}

}  // namespace linnet::test
