#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/ops/pooling.h"
#include "kernels/kernel_table.h"
#include "weights/directory.h"

// The files that sentence-transformers puts beside an encoder: modules.json and what it names.
namespace linnet {

/// What follows the pooling, in order.
struct SentenceStep {
  enum class Kind { kDense, kLayerNorm, kNormalize } kind = Kind::kNormalize;
  std::string folder;  // of kDense and kLayerNorm: where its weights are
  std::int64_t in_features = 0, out_features = 0;
  bool bias = true;
  kernels::Activation activation = kernels::Activation::kTanh;
};

struct SentenceConfig {
  std::vector<Pooling> pooling{Pooling::kMean};  // several are concatenated in this order
  bool include_prompt = true;  // false: [CLS] and the prompt are attended to, not pooled
  std::vector<SentenceStep> steps;
  std::optional<std::int64_t> max_seq_length;
  bool do_lower_case = false;
  std::vector<std::pair<std::string, std::string>> prompts;  // name, text
  std::string default_prompt_name;                           // "" for none
  std::string similarity = "cosine";

  /// Width of an embedding of an encoder of width D.
  std::int64_t dimensions(std::int64_t D) const;
  /// The text of a prompt; throws kInvalidArgument for a name that is not there, listing those that
  /// are.
  const std::string& prompt(std::string_view name) const;
};

/// Reads modules.json and the files of its modules for an encoder of width D. Without modules.json
/// it is what sentence-transformers makes of a plain encoder: mean pooling, nothing after it.
/// Throws kFormat and, for modules that are not here, kUnsupported.
SentenceConfig read_sentence_config(const weights::Directory& directory, std::int64_t D);

/// The longest sequence in tokens, specials included: the first that is given of `asked`, the
/// sentence configuration, the tokenizer and `positions`; never more than `positions`.
std::int64_t effective_max_length(std::optional<std::int64_t> asked, const SentenceConfig& config,
                                  std::optional<std::int64_t> tokenizer_max_length,
                                  std::int64_t positions);

}  // namespace linnet
