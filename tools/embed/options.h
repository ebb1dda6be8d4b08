#pragma once

#include <string>

#include "engine/tasks/embedder.h"
#include "engine/tasks/vector_index.h"
#include "tools/cli/arguments.h"
#include "tools/commands/common.h"

// Options of the commands that embed text: embed, similar, search.
namespace linnet::commands {

inline constexpr Option kPrompt{.name = "prompt",
                                .kind = Kind::kText,
                                .value = "TEXT",
                                .help = "Text to put before every text."};
inline constexpr Option kPromptName{
    .name = "prompt-name",
    .kind = Kind::kText,
    .value = "NAME",
    .help =
        "A prompt that the model brings, such as query; by default the model's default prompt."};
inline constexpr Option kMaxLength{
    .name = "max-length",
    .kind = Kind::kInteger,
    .value = "N",
    .help = "Longest text in tokens, special ones included; by default what the model says.",
    .low = 1};
inline constexpr Option kNoTruncate{
    .name = "no-truncate", .help = "A longer text is an error; by default its end is cut away."};

inline constexpr Option kSimilarity{
    .name = "similarity",
    .kind = Kind::kChoice,
    .value = "MEASURE",
    .help =
        "How vectors are compared, by default what the model says, else cosine. Distances are "
        "negated, so that greater is nearer.",
    .choices = "cosine|dot|euclidean|manhattan"};

/// --prompt, --prompt-name, --max-length, --no-truncate, --invalid-utf8, --no-parse-special.
EmbedOptions embed_options(const cli::Arguments& args);

/// The model of --model, loaded with --threads, --isa, --backend and the symbolic-link options.
EmbeddingModel embedding_model(const cli::Arguments& args, const cli::Log& log);

/// --similarity, else the model's.
Similarity similarity_of(const cli::Arguments& args, const EmbeddingModel& model);

/// A score for people: four decimals.
std::string score_text(float score);

}  // namespace linnet::commands
