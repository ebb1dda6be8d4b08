#pragma once

#include <span>
#include <string>

#include "engine/models/training.h"
#include "weights/checkpoint.h"
#include "weights/name_map.h"

namespace linnet {

/// What becomes of one rule of a name table when a model is read for training.
struct ParameterPlace {
  float* to = nullptr;      // null: not a parameter of its own; one place may have two names
  bool may_be_new = false;  // where the checkpoint does not have it, it is
  double deviation = 0;     // N(0, deviation²), or
  float constant = 0;       // this
  std::int64_t layer = 0;   // as in NamedParameter
};

/// The map of a checkpoint's tensors to the rules; from scratch, a map without any tensor, in which
/// tied rules have others to stand in.
weights::NameMap map_parameters(const weights::Checkpoint& checkpoint,
                                std::span<const weights::TensorRule> rules,
                                const weights::NameSpelling& spelling,
                                weights::Unexpected unexpected, Start start);

/// Reads every tensor to its place, names it in model.tensors and warns of those that are new.
/// `prefix` is the base model's in files of transformers. Throws kFormat for a tensor that is
/// missing and may not be new, kNumeric for one that is not finite.
void read_parameters(TrainableModel& model, const weights::Checkpoint& checkpoint,
                     std::span<const weights::TensorRule> rules, const weights::NameMap& map,
                     const std::string& prefix, std::span<const ParameterPlace> places,
                     std::uint64_t seed);

}  // namespace linnet
