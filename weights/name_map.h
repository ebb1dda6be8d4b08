#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "weights/checkpoint.h"

// From the names in a checkpoint to the tensors of a model, with an account of every one of them.
namespace linnet::weights {

/// kRequired must be there. kOptional may be. kUnused belongs to a head that is not loaded.
enum class Presence { kRequired, kOptional, kUnused };

/// kBase names may carry the prefix of the base model ("bert."), kHead names do not.
enum class Scope { kBase, kHead };

/// One row of a model's name table.
struct TensorRule {
  std::string name;  // as in the checkpoint, without the base model's prefix
  std::vector<std::int64_t> shape;
  Presence presence = Presence::kRequired;
  Scope scope = Scope::kBase;
  std::string tied_to = {};           // the rule whose tensor stands in when this one is absent
  bool conv1d = false;                // stored [in, out]: the transpose of a torch Linear
  bool decay = true;                  // weight decay applies in training
  std::int32_t field = 0, layer = 0;  // which parameter this is; the meaning belongs to the model
  std::optional<DType> dtype = {};    // exactly this type; without one any float
};

/// How a model's names may be spelled.
struct NameSpelling {
  std::string anchor;                 // a base name whose presence gives the prefix away
  std::vector<std::string> prefixes;  // of the base model, with their dot; "" is one of them
  /// Other spellings of parts of base names, e.g. {"encoder.layer.", "transformer.layer."}.
  std::vector<std::pair<std::string, std::string>> aliases;
};

/// What became of a tensor of the checkpoint.
enum class Fate { kUsed, kUnused, kBuffer, kUnexpected };

struct NameAccount {
  std::string original;  // spelling in the checkpoint
  std::string name;      // ours
  Fate fate;
};

/// What became of a rule with `tied_to`: its tensor is absent and the other stands in, has the same
/// bytes as the other, or differs.
enum class Tie { kNone, kStandsIn, kEqual, kDifferent };

/// The rules with their tensors.
struct NameMap {
  std::vector<const TensorView*> tensors;  // of each rule; null where absent: tied or optional
  std::vector<Tie> ties;                   // of each rule; kNone where nothing is tied
  std::vector<NameAccount> account;        // of each tensor of the checkpoint, by original name
  std::string prefix;                      // of the base model in this checkpoint
  std::vector<std::string> warnings;
};

enum class Unexpected { kWarn, kRefuse };

/// Names are matched as they are, with LayerNorm.gamma and .beta for .weight and .bias; base names
/// under the one prefix that the anchor has (without an anchor, under which most are found), head
/// names with or without it. Constants that frameworks store beside weights are dropped.
/// Throws kFormat: two prefixes, names that become one after renaming, missing tensors (all of them
/// in one message, with the nearest name found), a shape or type that does not fit, and under
/// kRefuse tensors that no rule knows. Throws kInvalidArgument for a table with two rules of a
/// name.
NameMap map_names(const Checkpoint& checkpoint, std::span<const TensorRule> rules,
                  const NameSpelling& spelling, Unexpected unexpected = Unexpected::kWarn);

/// Adds a warning if tensors lose digits when they are computed with in FP32.
void warn_of_rounding(NameMap& map);

}  // namespace linnet::weights
