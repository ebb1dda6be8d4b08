#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/models/encoder_fields.h"
#include "engine/models/encoder_model.h"
#include "weights/manifest.h"

namespace linnet {

/// A linear layer of an encoder as it is computed: one or more weights of the checkpoint, one below
/// the other. These are the layers that may be in INT8.
struct LinearUnit {
  std::string name;     // as the rules spell it, without ".weight": "encoder.layer.0.output.dense",
                        // and "encoder.layer.0.attention.self.qkv" for query, key and value
  EncoderField packed;  // what it is: kPackedQkv, kPackedAttentionOutput, ...
  std::int32_t layer = 0;
  std::vector<std::size_t> rules;  // of the weights, in the description
  std::int64_t N = 0, K = 0;
};

/// The layers in the order in which they are computed.
std::vector<LinearUnit> linear_units(const EncoderDescription& description);

/// The index of the rule of the word embeddings [V, D].
std::size_t word_embeddings_rule(const EncoderDescription& description);

/// Replaces the rules of weights that the manifest says are in INT8 by rules of their packed form.
/// Throws kFormat for a layer that the model does not have or that has other sizes or parts, and
/// for one that is neither in INT8 nor kept in FP32, or both. manifest.quantization is there.
void apply_quantized_layers(EncoderDescription& description, const weights::Manifest& manifest);

/// Throws kUnsupported where sequences may be longer than INT8 attention computes exactly.
void check_int8_attention(const EncoderConfig& config);

}  // namespace linnet
