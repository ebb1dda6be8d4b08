#pragma once

#include <vector>

#include "engine/models/common_config.h"
#include "engine/models/encoder.h"
#include "weights/name_map.h"

namespace linnet {

/// config.json of a BERT model, names and defaults of transformers' BertConfig.
struct BertConfig {
  CommonConfig common;
  std::int64_t vocab_size = 30522;
  std::int64_t hidden_size = 768;
  std::int64_t num_hidden_layers = 12;
  std::int64_t num_attention_heads = 12;
  std::int64_t intermediate_size = 3072;
  kernels::Activation hidden_act = kernels::Activation::kGelu;
  std::int64_t max_position_embeddings = 512;
  std::int64_t type_vocab_size = 2;
  double layer_norm_eps = 1e-12;

  /// Throws kFormat for values that are no model, kUnsupported for relative positions and
  /// activations that are not here.
  static BertConfig from_json(json::Value config);
  EncoderConfig encoder() const;
};

/// The name table: every tensor of every head, those that `head` does not need as kUnused. Names as
/// in modeling_bert.py without the prefix "bert.".
std::vector<weights::TensorRule> bert_tensors(const BertConfig& c, HeadKind head);
weights::NameSpelling bert_spelling();

/// Heads of each layer after pruning. Throws kFormat for a layer or head that does not exist, or
/// when no head is left.
std::vector<std::int64_t> heads_after_pruning(const CommonConfig& common, std::int64_t layers,
                                              std::int64_t heads);

}  // namespace linnet
