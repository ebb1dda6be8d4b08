#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "weights/base/json.h"

namespace linnet {

/// When beam search stops looking for better sequences.
enum class EarlyStopping {
  kHeuristic,  ///< false: once the best running beam, at its present length, cannot win
  kFull,       ///< true: once there are num_beams finished sequences
  kNever,      ///< "never": once the best running beam, at its best length, cannot win
};

/// What is done when a sequence gets longer than the model has positions.
enum class ContextOverflow {
  kError,  ///< refused before anything is generated
  kSlide,  ///< the model reads the last tokens only: see window_begin()
};

/// How tokens are chosen: names, defaults and meaning of generation_config.json (transformers 4.57,
/// GenerationConfig), with presence_penalty and frequency_penalty as in OpenAI's interface.
struct GenerationParameters {
  /// Without either: kDefaultNewTokens, as far as they fit.
  std::optional<std::int64_t> max_new_tokens;
  std::optional<std::int64_t> max_length;  // with the prompt; max_new_tokens comes before it
  std::int64_t min_new_tokens = 0;
  std::int64_t min_length = 0;             // with the prompt
  std::vector<std::int32_t> eos_token_id;  // any of them ends a sequence, and is kept
  std::vector<std::vector<std::int32_t>> bad_words_ids;

  double repetition_penalty = 1;  // prompt included, once an id
  double presence_penalty = 0;    // subtracted once for an id that was generated
  double frequency_penalty = 0;   // subtracted for each time an id was generated
  std::int64_t no_repeat_ngram_size = 0;

  bool do_sample = false;
  double temperature = 1;
  std::int64_t top_k = 50;  // 0: all
  double top_p = 1;
  double min_p = 0;
  double typical_p = 1;
  double epsilon_cutoff = 0;
  double eta_cutoff = 0;
  std::int64_t min_tokens_to_keep = 1;
  std::uint64_t seed = 0;

  ContextOverflow context_overflow = ContextOverflow::kError;

  std::int64_t num_return_sequences = 1;  // of each prompt
  std::int64_t num_beams = 1;
  double length_penalty = 1;
  EarlyStopping early_stopping = EarlyStopping::kHeuristic;

  /// Speculation: tokens that are guessed from what has come before and verified in one pass; 0:
  /// none. What is generated does not depend on it.
  std::int64_t prompt_lookup_num_tokens = 0;
  std::int64_t max_matching_ngram_size = 2;  // tokens that a guess is found by

  std::optional<std::int64_t> logprobs;  // of each token, with this many of the likeliest ones
};

inline constexpr std::int64_t kDefaultNewTokens = 128;

/// What is done about a key that nobody knows.
enum class UnknownKeys { kIgnore, kRefuse };

/// Takes what an object with the keys of generation_config.json says; keys that change nothing here
/// (use_cache, pad_token_id, bos_token_id, …) are passed over. null leaves a value as it is, but
/// for eos_token_id, of which there then is none. Keys of the caller's own are `others`. Throws
/// kUnsupported for keys that ask for another way of generating, kFormat for wrong types.
void read_parameters(json::Value object, GenerationParameters& parameters, UnknownKeys unknown,
                     std::span<const std::string_view> others = {});

/// Throws kInvalidArgument, naming the parameter, for values that make no sense alone or together.
void check(const GenerationParameters& parameters);

}  // namespace linnet
