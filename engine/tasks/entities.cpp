#include "engine/tasks/entities.h"

#include <algorithm>

#include "weights/base/error.h"

namespace linnet {
namespace {

using Join = std::function<std::string(std::span<const std::string>)>;

std::size_t argmax(std::span<const double> scores) {
  return static_cast<std::size_t>(std::max_element(scores.begin(), scores.end()) - scores.begin());
}

struct Tag {
  bool begins;  // B-: starts an entity of its own
  std::string_view name;
};

Tag tag_of(std::string_view label) {
  if (label.starts_with("B-")) return {true, label.substr(2)};
  if (label.starts_with("I-")) return {false, label.substr(2)};
  return {false, label};
}

// Everything up to the first '-' is the scheme's letter, whatever it is.
std::string group_name(const std::string& label) {
  const std::size_t dash = label.find('-');
  return dash == std::string::npos ? label : label.substr(dash + 1);
}

Entity entity_of(const TaggedToken& token, std::span<const std::string> labels) {
  const std::size_t best = argmax(token.scores);
  return {labels[best], token.scores[best], token.index, token.word, token.start, token.end};
}

// Label and score of the tokens of one word.
std::pair<std::size_t, double> word_label(std::span<const TaggedToken> word, Aggregation strategy) {
  if (strategy == Aggregation::kAverage) {
    std::vector<double> mean(word[0].scores.size(), 0.0);
    for (const TaggedToken& token : word) {
      for (std::size_t c = 0; c < mean.size(); ++c) mean[c] += token.scores[c];
    }
    for (double& value : mean) value /= static_cast<double>(word.size());
    const std::size_t best = argmax(mean);
    return {best, mean[best]};
  }
  const TaggedToken* chosen = &word[0];
  if (strategy == Aggregation::kMax) {
    for (const TaggedToken& token : word) {
      if (token.scores[argmax(token.scores)] > chosen->scores[argmax(chosen->scores)]) {
        chosen = &token;
      }
    }
  }
  const std::size_t best = argmax(chosen->scores);
  return {best, chosen->scores[best]};
}

std::vector<Entity> words_of(std::span<const TaggedToken> tokens,
                             std::span<const std::string> labels, Aggregation strategy,
                             const Join& join) {
  std::vector<Entity> words;
  for (std::size_t begin = 0; begin < tokens.size();) {
    std::size_t end = begin + 1;
    while (end < tokens.size() && tokens[end].continues_word) ++end;
    const auto word = tokens.subspan(begin, end - begin);
    const auto [label, score] = word_label(word, strategy);
    std::vector<std::string> pieces;
    for (const TaggedToken& token : word) pieces.push_back(token.word);
    words.push_back({labels[label], score, -1, join(pieces), word.front().start, word.back().end});
    begin = end;
  }
  return words;
}

std::vector<Entity> group(std::span<const Entity> entities, const Join& join) {
  std::vector<Entity> groups;
  for (std::size_t begin = 0; begin < entities.size();) {
    std::size_t end = begin + 1;
    while (end < entities.size()) {
      const Tag tag = tag_of(entities[end].label);
      if (tag.begins || tag.name != tag_of(entities[end - 1].label).name) break;
      ++end;
    }
    double sum = 0;
    std::vector<std::string> pieces;
    for (std::size_t i = begin; i < end; ++i) {
      sum += entities[i].score;
      pieces.push_back(entities[i].word);
    }
    groups.push_back({group_name(entities[begin].label), sum / static_cast<double>(end - begin), -1,
                      join(pieces), entities[begin].start, entities[end - 1].end});
    begin = end;
  }
  return groups;
}

}  // namespace

Aggregation parse_aggregation(std::string_view text) {
  if (text == "none") return Aggregation::kNone;
  if (text == "simple") return Aggregation::kSimple;
  if (text == "first") return Aggregation::kFirst;
  if (text == "average") return Aggregation::kAverage;
  if (text == "max") return Aggregation::kMax;
  throw Error(ErrorCode::kInvalidArgument, "aggregation strategy: found \"" + std::string(text) +
                                               "\", expected none, simple, first, average or max");
}

std::vector<Entity> aggregate(std::span<const TaggedToken> tokens,
                              std::span<const std::string> labels, Aggregation strategy,
                              std::span<const std::string> ignore_labels, const Join& join) {
  std::vector<Entity> entities;
  if (strategy == Aggregation::kNone || strategy == Aggregation::kSimple) {
    for (const TaggedToken& token : tokens) entities.push_back(entity_of(token, labels));
  } else {
    entities = words_of(tokens, labels, strategy, join);
  }
  if (strategy != Aggregation::kNone) entities = group(entities, join);
  std::erase_if(entities, [&](const Entity& entity) {
    return std::find(ignore_labels.begin(), ignore_labels.end(), entity.label) !=
           ignore_labels.end();
  });
  return entities;
}

std::vector<Entity> merge_windows(std::vector<Entity> entities) {
  std::stable_sort(entities.begin(), entities.end(),
                   [](const Entity& a, const Entity& b) { return a.start < b.start; });
  std::vector<Entity> merged;
  for (Entity& entity : entities) {
    if (merged.empty() || entity.start >= merged.back().end) {
      merged.push_back(std::move(entity));
      continue;
    }
    const std::int64_t length = entity.end - entity.start;
    const std::int64_t kept = merged.back().end - merged.back().start;
    if (length > kept || (length == kept && entity.score > merged.back().score)) {
      merged.back() = std::move(entity);
    }
  }
  return merged;
}

}  // namespace linnet
