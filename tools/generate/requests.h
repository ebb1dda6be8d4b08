#pragma once

#include <string>
#include <string_view>

#include "engine/tasks/text_generator.h"

namespace linnet::tools {

/// Answers one request, an object with "prompts" (lists of ids) or "texts", parameters by the names
/// of generation_config.json over `defaults`, and "stop_strings":
///   {"new_tokens": [[id, …], …], "texts": [text, …], "sequences_scores": [x, …],
///    "finish_reasons": ["eos" | "length" | "stop", …]}
/// texts are null where the model has no tokenizer; sequences_scores are those of beam search.
/// Throws Error for a request that is wrong.
std::string answer_request(TextGenerator& generator, std::string_view request,
                           std::int64_t max_bytes);

}  // namespace linnet::tools
