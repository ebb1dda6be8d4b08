#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/models/encoder_model.h"
#include "engine/models/encoder_session.h"

namespace linnet::tools {

enum class WithHiddenStates { kNo, kYes };
enum class WithLabels { kNo, kYes };

struct ForwardOptions {
  std::string model;    // directory
  std::string inputs;   // safetensors file
  std::string outputs;  // safetensors file, written atomically
  WithHiddenStates hidden_states = WithHiddenStates::kNo;
  WithLabels labels = WithLabels::kNo;  // add `loss`
  std::string gradients;                // file of gradients to write with labels; empty: none
  /// Tokens fed at a time through the key/value cache (GPT-2); their sum is that of the columns.
  std::vector<std::int64_t> chunks;
  LoadOptions load;
  SessionOptions session;
};

/// Raw ids in, tensors out, to compare with another implementation. For each batch of the inputs,
/// under the same prefix: last_hidden_state and pooler_output of base models, logits, start_logits
/// and end_logits, prediction_logits and seq_relationship_logits as the head has them,
/// sentence_embedding and token_embeddings where the directory has a modules.json, hidden_states.N
/// on request. F32, shaped like the inputs, zeros at masked places. With chunks: chunkI.logits of
/// each, full.logits of all tokens in one pass, and what the cache holds at the end, cache.L.key
/// and cache.L.value [B, heads, T, head width]. With labels: loss, see forward_labels().
void forward(const ForwardOptions& options);

}  // namespace linnet::tools
