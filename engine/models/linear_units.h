#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/models/encoder_model.h"
#include "engine/models/model_description.h"
#include "weights/manifest.h"

namespace linnet {

/// A linear layer of a model as it is computed: one or more weights of the checkpoint, one below
/// the other. These are the layers that may be in INT8.
struct LinearUnit {
  std::string name;  // as the rules spell it, without ".weight": "encoder.layer.0.output.dense",
                     // and "encoder.layer.0.attention.self.qkv" for query, key and value
  FieldId packed;    // what it is: UnitKind::packed
  std::int32_t layer = 0;
  std::vector<std::size_t> rules;  // of the weights, in the description
  std::int64_t N = 0, K = 0;
};

/// The layers in the order in which they are computed; the product with the vocabulary, where there
/// is one, is the last: "wte" where it has the word embeddings for its weights, else "lm_head".
std::vector<LinearUnit> linear_units(const ModelDescription& description);

/// The index of the rule of the word embeddings [V, D].
std::size_t word_embeddings_rule(const ModelDescription& description);

/// With weights of its own the product with the vocabulary is not tied, whatever config.json says.
void note_own_vocabulary_weights(ModelDescription& description, const weights::NameMap& names);

/// Replaces the rules of weights that the manifest says are in INT8 by rules of their packed form.
/// Throws kFormat for a layer that the model does not have or that has other sizes or parts, and
/// for one that is neither in INT8 nor kept in FP32, or both. manifest.quantization is there.
void apply_quantized_layers(ModelDescription& description, const weights::Manifest& manifest);

/// The same with the linnet.json of a directory, if there is one and it tells of layers in INT8;
/// it then says how. Throws kFormat for a weight that is there in both forms.
std::optional<weights::ManifestQuantization> read_quantized_layers(
    ModelDescription& description, const weights::Checkpoint& checkpoint);

/// The number formats of a quantised model are those of its file. Throws kInvalidArgument for
/// options that ask for others.
void check_options_of_quantized(const weights::Checkpoint& checkpoint, const LoadOptions& options);

/// Throws kUnsupported where sequences may be longer than INT8 attention computes exactly.
void check_int8_attention(const EncoderConfig& config);

}  // namespace linnet
