#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/models/encoder_model.h"
#include "engine/models/gpt2.h"
#include "weights/checkpoint.h"

namespace linnet {

/// A loaded GPT-2: immutable, shared by any number of sessions and threads. Linear layers are
/// packed copies, the language-model head among them; embeddings in F32 stay in the mapped file.
struct Gpt2Model {
  weights::Checkpoint checkpoint;
  Gpt2Config config;
  HeadKind head_kind;
  kernels::KernelTable kernels;  // of the level that the weights are packed for
  Precision precision = Precision::kFloat32;
  Gpt2Weights weights;
  Block parameters;  // what weights point into
  Block wte;         // empty where the embeddings are read from the file
  std::vector<weights::NameAccount> account;
  std::vector<std::string> warnings;

  LinearKind linear_kind() const { return linnet::linear_kind(precision); }
};

/// True for a config.json that load_gpt2() reads.
bool is_gpt2(json::Value config);

/// Checks every rule of the name table (see weights::map_names), packs, and gives the pages of the
/// original back to the system. Throws kNumeric for a weight that is not finite, kLimit when the
/// system does not let the parameters be locked in memory, kUnsupported for what is not here: INT8
/// and the oneDNN backend.
Gpt2Model load_gpt2(weights::Checkpoint checkpoint, const LoadOptions& options);

}  // namespace linnet
