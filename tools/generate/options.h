#pragma once

#include "engine/tasks/text_generator.h"
#include "tools/commands/common.h"
#include "weights/base/json_writer.h"

// Options of the commands that run a language model.
namespace linnet::tools {

using cli::Kind;
using cli::Option;

inline constexpr Option kCacheBudget{.name = "cache-budget",
                                     .kind = Kind::kInteger,
                                     .value = "MIB",
                                     .help = "Memory for keys and values, allocated once.",
                                     .fallback = "2048",
                                     .low = 1,
                                     .high = std::int64_t{1} << 32};
inline constexpr Option kCacheDtype{
    .name = "cache-dtype",
    .kind = Kind::kChoice,
    .value = "FORMAT",
    .help =
        "What keys and values are kept in. int8 takes a quarter of the memory and gives other bits "
        "than a model without a cache.",
    .fallback = "float32",
    .choices = "float32|int8"};
inline constexpr Option kBatch{
    .name = "batch",
    .kind = Kind::kInteger,
    .value = "N",
    .help =
        "Sequences that are generated side by side, as far as the "
        "budget goes. Results do not depend on it, but for --precision bf16.",
    .fallback = "16",
    .low = 1,
    .high = 65536};

inline constexpr Option kDtype{
    .name = "dtype",
    .kind = Kind::kChoice,
    .value = "FORMAT",
    .help =
        "int8: the layers and the product with the vocabulary in INT8, quantised while loading; "
        "linnet quantize writes a model that loads so at once.",
    .choices = "float32|int8"};

constexpr Option number_option(std::string_view name, std::string_view help) {
  Option option{.name = name};
  option.kind = Kind::kNumber;
  option.value = "X";
  option.help = help;
  return option;
}

constexpr Option count_option(std::string_view name, std::string_view help) {
  Option option{.name = name};
  option.kind = Kind::kInteger;
  option.value = "N";
  option.help = help;
  option.low = 0;
  return option;
}

inline constexpr Option kMaxNewTokens = count_option(
    "max-new-tokens", "Tokens to generate at most; 128, as far as they fit, by default.");
inline constexpr Option kMinNewTokens =
    count_option("min-new-tokens", "Tokens before the text may end.");
inline constexpr Option kDoSample{.name = "do-sample",
                                  .help = "Sample instead of taking the likeliest token."};
inline constexpr Option kTemperature =
    number_option("temperature", "Divides scores: above 0; switches sampling on.");
inline constexpr Option kTopK =
    count_option("top-k", "Sample from the N likeliest tokens, 0 for all; switches sampling on.");
inline constexpr Option kTopP = number_option(
    "top-p",
    "Sample from the likeliest tokens of this probability together; switches sampling on.");
inline constexpr Option kMinP = number_option(
    "min-p", "Leave out tokens below this share of the likeliest one; switches sampling on.");
inline constexpr Option kTypicalP = number_option(
    "typical-p",
    "Sample from the tokens of expected surprise up to this probability; switches sampling on.");
inline constexpr Option kSeed =
    count_option("seed", "The same seed gives the same text on every machine.");
inline constexpr Option kRepetitionPenalty = number_option(
    "repetition-penalty", "Makes tokens that are there already less likely: above 1.");
inline constexpr Option kPresencePenalty =
    number_option("presence-penalty", "Subtracted from scores of tokens that were generated.");
inline constexpr Option kFrequencyPenalty =
    number_option("frequency-penalty", "Subtracted for each time that a token was generated.");
inline constexpr Option kNoRepeatNgram =
    count_option("no-repeat-ngram-size", "No N tokens in a row come twice; 0 for no such rule.");
inline constexpr Option kNumBeams = count_option("num-beams", "Beam search with so many beams.");
inline constexpr Option kLengthPenalty =
    number_option("length-penalty", "Of beam search: a score is the sum / length ** X.");
inline constexpr Option kEarlyStopping{
    .name = "early-stopping",
    .kind = Kind::kChoice,
    .value = "WHEN",
    .help =
        "Of beam search: stop when there are as many sequences as beams (true), when the best "
        "beam cannot win any more at its present (false) or at any length (never).",
    .choices = "true|false|never"};
inline constexpr Option kNumReturn = count_option("num-return-sequences", "Texts for each prompt.");
inline constexpr Option kContextOverflow{
    .name = "context-overflow",
    .kind = Kind::kChoice,
    .value = "WHAT",
    .help =
        "When a text gets longer than the model has positions: refuse it (error, the default), or "
        "read its last tokens only (slide), which is half a context or more.",
    .choices = "error|slide"};
inline constexpr Option kPromptLookup = count_option(
    "prompt-lookup-num-tokens",
    "Speculation: N tokens are guessed from what has come before and verified in one pass; texts "
    "do not depend on it, but for --precision bf16. 0 by default.");
inline constexpr Option kMatchingNgram = count_option(
    "max-matching-ngram-size", "Tokens that a guess is found by, at most; 2 by default.");
inline constexpr Option kEos =
    count_option("eos-token-id", "Id that ends a text, in the place of the model's own.");

/// Those that are parameters of generation, by the names of generation_config.json with '-' for
/// '_'.
inline constexpr const Option* kParameters[] = {&kMaxNewTokens,
                                                &kMinNewTokens,
                                                &kDoSample,
                                                &kTemperature,
                                                &kTopK,
                                                &kTopP,
                                                &kMinP,
                                                &kTypicalP,
                                                &kSeed,
                                                &kRepetitionPenalty,
                                                &kPresencePenalty,
                                                &kFrequencyPenalty,
                                                &kNoRepeatNgram,
                                                &kNumBeams,
                                                &kLengthPenalty,
                                                &kEarlyStopping,
                                                &kNumReturn,
                                                &kContextOverflow,
                                                &kPromptLookup,
                                                &kMatchingNgram,
                                                &kEos};

/// What those that were given say, over `parameters`. A parameter of sampling switches do_sample
/// on.
void take_parameters(const cli::Arguments& args, GenerationParameters& parameters);

/// What came of the guesses of speculation: {"guessed": N, "accepted": N, "acceptance_rate": X}.
void write_speculation(json::Writer& out, std::int64_t guessed, std::int64_t accepted);

/// What --cache-dtype says.
CacheType cache_type(const cli::Arguments& args);

/// The model of --model, loaded as --threads, --isa, --precision and the symbolic-link options say.
LanguageModel load_language_model(const cli::Arguments& args, const cli::Log& log);

}  // namespace linnet::tools
