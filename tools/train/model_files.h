#pragma once

#include <string>
#include <vector>

#include "engine/models/training.h"
#include "weights/checkpoint.h"

// A model in training as a directory that every command and transformers can load.
namespace linnet::tools {

/// config.json of a sequence classifier with these labels on the encoder of `config`:
/// architectures, id2label, label2id and problem_type say so, the rest is as it was.
std::string classifier_config(json::Value config, const std::vector<std::string>& labels,
                              ProblemType problem);

/// Writes config.json, model.safetensors (F32, transformers' names) and the tokenizer's files of
/// `source` into an existing directory, each atomically.
void write_model(const std::string& directory, const TrainableModel& model,
                 const std::string& config, const weights::Checkpoint& source);

}  // namespace linnet::tools
