#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/models/encoder_session.h"
#include "engine/models/model_description.h"
#include "engine/models/sentence_config.h"
#include "tokenizer/tokenizer.h"
#include "weights/checkpoint.h"

namespace linnet::tools {

/// What is known of the model and its memory once config.json and the headers are read.
struct ModelInspection {
  ModelDescription description;
  std::vector<std::int64_t> heads;  // of each layer
  std::int64_t head_width = 0, feed_forward = 0, token_types = 0;
  std::vector<weights::NameAccount> account;  // by original name
  std::optional<SentenceConfig> sentence;     // where there is a modules.json
  std::optional<std::int64_t> max_length;     // of a text, in tokens
  std::int64_t parameter_bytes = 0;           // packed
  std::int64_t embedding_bytes = 0;           // the word embeddings, where no packed layer has them
  std::int64_t session_bytes = 0;             // activations, of one session
  std::int64_t cache_bytes = 0;  // keys and values of one sequence, where there are some
  std::int64_t total_bytes() const {
    return parameter_bytes + embedding_bytes + session_bytes + cache_bytes;
  }
};

/// A model directory seen without reading its weights. What cannot be understood is a problem, and
/// the rest is shown all the same.
struct Inspection {
  weights::Checkpoint checkpoint;
  std::optional<ModelInspection> model;
  std::optional<tokenizer::Tokenizer> tokenizer;
  std::vector<std::string> warnings;
  std::vector<std::string> problems;
};

struct InspectOptions {
  weights::OpenOptions open;
  kernels::Isa isa = kernels::Isa::kReference;
  SessionOptions session;
};

/// Throws for a directory without config.json or with broken headers.
Inspection inspect(const std::string& directory, const InspectOptions& options);

std::string inspection_text(const Inspection& inspection, bool with_tensors);
std::string inspection_json(const Inspection& inspection);

/// "1.5 MiB"
std::string size_text(std::int64_t bytes);

/// Elements of all tensors.
std::int64_t parameter_count(const weights::Checkpoint& checkpoint);
/// "used", "unused", "buffer", "unexpected"
const char* name(weights::Fate fate);

}  // namespace linnet::tools
