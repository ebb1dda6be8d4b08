#pragma once

#include <optional>
#include <string>

#include "engine/models/encoder_model.h"
#include "engine/models/encoder_session.h"

namespace linnet::tools {

enum class WithHiddenStates { kNo, kYes };

struct ForwardOptions {
  std::string model;    // directory
  std::string inputs;   // safetensors file
  std::string outputs;  // safetensors file, written atomically
  WithHiddenStates hidden_states = WithHiddenStates::kNo;
  LoadOptions load;
  SessionOptions session;
};

/// Raw ids in, tensors out, to compare with another implementation. For each batch of the inputs,
/// under the same prefix: last_hidden_state and pooler_output of base models, logits, start_logits
/// and end_logits, prediction_logits and seq_relationship_logits as the head has them,
/// sentence_embedding and token_embeddings where the directory has a modules.json, hidden_states.N
/// on request. F32, shaped like the inputs, zeros at masked places.
void forward(const ForwardOptions& options);

}  // namespace linnet::tools
