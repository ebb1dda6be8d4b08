#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/core/layout.h"
#include "engine/models/encoder_model.h"
#include "engine/ops/dense.h"
#include "engine/ops/layer_norm_bwd.h"

// The parameters of an encoder and its head in training: plain matrices in one block. Gradients and
// the moments of an optimizer are more blocks of the same layout.
//
//   D model width   A heads · head width   F feed-forward width   V vocabulary   C labels
namespace linnet {

struct EncoderLayerParameters {
  Dense qkv;               // [3A, D], rows q | k | v
  Dense attention_output;  // [D, A]
  Norm attention_norm;
  Dense intermediate;  // [F, D]
  Dense output;        // [D, F]
  Norm output_norm;
};

/// Whether the vocabulary head multiplies by the word embeddings themselves.
enum class TiedDecoder { kNo, kYes };

struct EncoderParameters {
  Mat<float> word, position, type;  // [V, D], [P, D], [types, D]
  Norm embedding_norm;
  std::vector<EncoderLayerParameters> layers;
  Dense pooler;      // [D, D]
  Dense classifier;  // [C, D] of sequences, choices, tokens or spans
  Dense transform;   // [D, D] of the vocabulary head
  Norm transform_norm;
  Dense decoder;           // [V, D]; its weight is `word` where tied
  Dense seq_relationship;  // [2, D]

  EncoderParameters(Layout& layout, const EncoderDescription& description, TiedDecoder tied);
};

/// One tensor of a checkpoint, and where it is among the parameters.
struct NamedParameter {
  std::string name;       // as the checkpoint spells it
  std::string canonical;  // as transformers writes it for this model and head
  std::vector<std::int64_t> shape;
  bool decay = true;        // weight decay applies
  std::int64_t offset = 0;  // of its first float in the block; its rows have no gaps
  std::int64_t elements() const;
};

/// Parameters read from a checkpoint.
struct TrainableEncoder {
  EncoderDescription description;
  TiedDecoder tied = TiedDecoder::kNo;
  Placed<EncoderParameters> parameters;
  std::vector<NamedParameter> tensors;  // every parameter once
  std::vector<std::string> warnings;

  TrainableEncoder(EncoderDescription description, TiedDecoder tied);

  const EncoderConfig& config() const { return description.config; }
  /// A block of zeros of the same layout.
  Placed<EncoderParameters> zeros() const { return Placed<EncoderParameters>(description, tied); }
};

/// What is done about tensors of the head, the pooler included, that a checkpoint does not have.
enum class NewHead { kRefuse, kInitialise };

struct TrainableOptions {
  NewHead new_head = NewHead::kRefuse;
  std::uint64_t seed = 0;               // of new weights
  std::optional<json::Value> config{};  // in place of the checkpoint's config.json
};

/// Throws as load_encoder() does. New weights of a head are N(0, initializer_range²), new biases 0,
/// new LayerNorms the identity, as transformers initialises them; `warnings` name them.
TrainableEncoder load_trainable_encoder(const weights::Checkpoint& checkpoint,
                                        const LoadOptions& options,
                                        const TrainableOptions& trainable = {});

}  // namespace linnet
