#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/models/training.h"
#include "weights/checkpoint.h"

// A model in training as a directory that every command and transformers can load.
namespace linnet::tools {

/// config.json of this head on the encoder of `config`: architectures, id2label, label2id and, of
/// sequence classification, problem_type say so, the rest is as it was. Without labels the head has
/// those of its kind.
std::string task_config(json::Value config, HeadKind head, const std::vector<std::string>& labels,
                        ProblemType problem);

/// Writes config.json, model.safetensors (F32, transformers' names) and the tokenizer's files of
/// `source` into an existing directory, each atomically.
void write_model(const std::string& directory, const TrainableModel& model,
                 const std::string& config, const weights::Checkpoint& source);

/// Lets `write` fill a directory of its own inside `directory` and then moves the files over, the
/// model last and an earlier one away first: where there is a model.safetensors, all files beside
/// it are its own.
void publish(const std::string& directory, const std::function<void(const std::string&)>& write);

void write_text(const std::string& path, const std::string& text);

}  // namespace linnet::tools
