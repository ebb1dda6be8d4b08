#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/models/model_description.h"
#include "tools/convert/tensors.h"
#include "weights/checkpoint.h"
#include "weights/manifest.h"

// What becomes of the tensors and files of a model directory when another one is made of it.
namespace linnet::tools {

using weights::kIndexFile;
using weights::kWeightsFile;

/// Our name of a rule's tensor: as transformers saves this architecture, the base model under its
/// prefix where something stands on it.
class TensorNames {
 public:
  TensorNames(const ModelDescription& description, const weights::NameMap& map);
  std::string of_rule(const std::string& rule) const;
  std::string of(const weights::NameAccount& account) const;
  /// Of a layer or tensor of the base model that is no rule.
  std::string in_base(const std::string& name) const { return prefix_ + name; }

 private:
  std::map<std::string, bool> heads_;
  std::string prefix_;
};

/// What becomes of every tensor: stored in `dtype`, or in its own type without one.
std::map<std::string, weights::ManifestTensor> plan_tensors(const weights::Checkpoint& checkpoint,
                                                            const ModelDescription& description,
                                                            const weights::NameMap& map,
                                                            std::optional<weights::DType> dtype);

/// The tensors of the plan that are stored as they are or in another type.
std::vector<Transfer> transfers(const weights::Checkpoint& checkpoint,
                                const weights::Manifest& manifest);

/// Writes a value as it was read; keys keep their order.
void copy_value(json::Writer& out, json::Value value);

/// config.json as it is, or with the architecture of the task that was asked for.
weights::ManifestFile write_config(const weights::Checkpoint& checkpoint,
                                   const ModelDescription& description,
                                   const std::string& directory);

/// Throws what loading would for the files beside the weights: modules, tokenizer.
void check_companions(const weights::Directory& directory, const ModelDescription& description);

/// Names, sizes and hashes of the source's files.
void describe_source(const weights::Checkpoint& checkpoint, const std::vector<std::string>& copied,
                     weights::Manifest& manifest);

}  // namespace linnet::tools
