#pragma once

#include <string>
#include <vector>

#include "engine/core/memory.h"
#include "engine/models/common_config.h"
#include "engine/models/encoder.h"
#include "engine/models/encoder_fields.h"
#include "engine/models/encoder_head.h"
#include "engine/models/model_description.h"
#include "engine/models/pack_linear.h"
#include "weights/checkpoint.h"
#include "weights/name_map.h"

namespace linnet {

/// What is done about a weight that is NaN or infinite.
enum class NonFinite { kRefuse, kAllow };

struct LoadOptions {
  kernels::Isa isa = kernels::Isa::kReference;         // the level to pack for: see choose_isa()
  int threads = 1;                                     // while loading
  Precision precision = Precision::kFloat32;           // of the layers; heads are FP32
  Backend backend = Backend::kLinnet;                  // of the layers; heads are linnet's
  PackedWeights packed_weights = PackedWeights::kMap;  // of layers that are in INT8 in the file
  bool lock_in_memory = false;                         // every page of the parameters
  /// The head to load; without one, what `architectures` of config.json says.
  std::optional<HeadKind> head;
  weights::Unexpected unexpected = weights::Unexpected::kWarn;
  NonFinite non_finite = NonFinite::kRefuse;
};

/// A loaded BERT or DistilBERT: immutable, shared by any number of sessions and threads. Linear
/// layers are packed copies; word embeddings in F32, and whatever is in INT8, stay in the mapped
/// file.
struct EncoderModel {
  weights::Checkpoint checkpoint;
  CommonConfig common;
  EncoderConfig config;
  HeadKind head_kind;
  kernels::KernelTable kernels;  // of the level that the weights are packed for
  Precision precision = Precision::kFloat32;
  Backend backend = Backend::kLinnet;
  OneDnnLayers onednn;  // the layers of that backend
  EncoderWeights weights;
  EncoderHead head;
  Block parameters;              // what weights and head point into
  Block word_embeddings;         // empty where they are read from the file
  std::vector<Block> unaligned;  // copies of what lies at odd places in the file
  std::vector<weights::NameAccount> account;
  std::vector<std::string> warnings;
};

/// What config.json says about an encoder.
struct EncoderDescription : ModelDescription {
  EncoderConfig config;
  bool sinusoidal_positions = false;  // a missing position table is computed
};

/// Throws kUnsupported for a model_type that is not an encoder of ours.
EncoderDescription describe_encoder(json::Value config,
                                    std::optional<HeadKind> head = std::nullopt);
/// The same for a directory, whose linnet.json may say that layers are in INT8.
EncoderDescription describe_encoder(const weights::Checkpoint& checkpoint,
                                    std::optional<HeadKind> head = std::nullopt);

/// Bytes that the packed parameters will take; what oneDNN keeps is not in them.
std::int64_t parameter_bytes(const EncoderDescription& description,
                             const kernels::KernelTable& kernels,
                             Precision precision = Precision::kFloat32,
                             Backend backend = Backend::kLinnet,
                             PackedWeights packed_weights = PackedWeights::kMap);

/// Checks every rule of the name table (see weights::map_names), packs, and gives the pages of the
/// original back to the system. Throws kNumeric for a weight that is not finite, kLimit when the
/// system does not let the parameters be locked in memory.
EncoderModel load_encoder(weights::Checkpoint checkpoint, const LoadOptions& options);

}  // namespace linnet
