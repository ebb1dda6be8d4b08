#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/models/encoder_model.h"
#include "engine/models/gpt2.h"
#include "weights/checkpoint.h"

namespace linnet {

/// What config.json says about a GPT-2.
struct Gpt2Description : ModelDescription {
  Gpt2Config config;
};

Gpt2Description describe_gpt2(json::Value config, std::optional<HeadKind> head = std::nullopt);
/// The same for a directory, whose linnet.json may say that layers are in INT8.
Gpt2Description describe_gpt2(const weights::Checkpoint& checkpoint,
                              std::optional<HeadKind> head = std::nullopt);

/// Bytes that the packed parameters will take.
std::int64_t parameter_bytes(const Gpt2Description& description,
                             const kernels::KernelTable& kernels,
                             Precision precision = Precision::kFloat32,
                             PackedWeights packed_weights = PackedWeights::kMap);

/// A loaded GPT-2: immutable, shared by any number of sessions and threads. Linear layers are
/// packed copies, the language-model head among them; embeddings in F32, and whatever is in INT8 in
/// the file, stay there, mapped.
struct Gpt2Model {
  weights::Checkpoint checkpoint;
  Gpt2Config config;
  HeadKind head_kind;
  kernels::KernelTable kernels;  // of the level that the weights are packed for
  Precision precision = Precision::kFloat32;
  Gpt2Weights weights;
  Block parameters;              // what weights point into
  Block wte;                     // empty where the embeddings are read from the file
  std::vector<Block> unaligned;  // copies of what lies at odd places in the file
  std::vector<weights::NameAccount> account;
  std::vector<std::string> warnings;

  LinearKind linear_kind() const { return linnet::linear_kind(precision); }
};

/// True for a config.json that load_gpt2() reads.
bool is_gpt2(json::Value config);

/// Checks every rule of the name table (see weights::map_names), packs, and gives the pages of the
/// original back to the system. In INT8 the layers and the product with the vocabulary are
/// quantised; the embeddings are looked up in what the file has. Throws kNumeric for a weight that
/// is not finite, kLimit when the system does not let the parameters be locked in memory,
/// kUnsupported for the oneDNN backend.
Gpt2Model load_gpt2(weights::Checkpoint checkpoint, const LoadOptions& options);

}  // namespace linnet
