#pragma once

#include <vector>

#include "engine/models/common_config.h"
#include "engine/models/encoder.h"
#include "weights/name_map.h"

namespace linnet {

/// config.json of a DistilBERT model, names and defaults of transformers' DistilBertConfig.
/// Source of the model: arXiv:1910.01108.
struct DistilBertConfig {
  CommonConfig common;
  std::int64_t vocab_size = 30522;
  std::int64_t max_position_embeddings = 512;
  std::int64_t n_layers = 6;
  std::int64_t n_heads = 12;
  std::int64_t dim = 768;
  std::int64_t hidden_dim = 3072;
  kernels::Activation activation = kernels::Activation::kGelu;
  bool sinusoidal_pos_embds = false;

  /// Throws kFormat for values that are no model, kUnsupported for activations that are not here.
  static DistilBertConfig from_json(json::Value config);
  EncoderConfig encoder() const;
};

/// The name table (see bert_tensors). Names as in modeling_distilbert.py without "distilbert.".
std::vector<weights::TensorRule> distilbert_tensors(const DistilBertConfig& c, HeadKind head);
weights::NameSpelling distilbert_spelling();

}  // namespace linnet
