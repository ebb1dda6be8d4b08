#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace linnet {

/// How the labels of tokens become entities (aggregation_strategy of the token-classification
/// pipeline of transformers):
/// kNone     one entity a token
/// kSimple   neighbours with the same tag join; B- begins a new entity
/// kFirst    as kSimple over words, a word taking the label of its first token
/// kAverage  the same with the mean of its tokens' scores
/// kMax      the same with the token that has the highest score
enum class Aggregation { kNone, kSimple, kFirst, kAverage, kMax };

/// "none", "simple", "first", "average", "max"; throws kInvalidArgument for anything else.
Aggregation parse_aggregation(std::string_view text);

/// One token of the text with its label probabilities [C].
struct TaggedToken {
  std::string word;  // as in the vocabulary; the text itself where the token is unknown
  std::span<const double> scores;
  std::int64_t index = 0;  // in the sequence, specials counted
  std::int64_t start = 0, end = 0;
  bool continues_word = false;
};

struct Entity {
  std::string label;  // with its prefix under kNone, without it otherwise
  double score = 0;
  std::int64_t index = -1;  // of the token under kNone, -1 otherwise
  std::string word;
  std::int64_t start = 0, end = 0;
};

/// The entities of one sequence in text order, ignored labels left out. `join` turns tokens of one
/// entity into text, as the tokenizer's decoder does.
std::vector<Entity> aggregate(std::span<const TaggedToken> tokens,
                              std::span<const std::string> labels, Aggregation strategy,
                              std::span<const std::string> ignore_labels,
                              const std::function<std::string(std::span<const std::string>)>& join);

/// One list from the entities of overlapping windows of one text: of those that overlap the longest
/// stays, of equally long ones the one with the higher score.
std::vector<Entity> merge_windows(std::vector<Entity> entities);

}  // namespace linnet
