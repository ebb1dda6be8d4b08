#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

// The scores of tags on words: entities found, as conlleval and seqeval count them.
// Source: Tjong Kim Sang and De Meulder, Introduction to the CoNLL-2003 Shared Task (W03-0419), and
// the evaluation script published with it.
namespace linnet {

/// Words [first, end) of a sentence.
struct TagSpan {
  std::int64_t first, end;
  std::string_view type;
  bool operator==(const TagSpan&) const = default;
};

/// The entities of one sentence in the tags of IOB1, IOB2 or IOBES: PREFIX-TYPE with the prefix B,
/// I, E or S, and O outside. A tag without a prefix goes on like I. An entity begins at B and S,
/// after E and S, after O, and where the type changes; so an I after O is one, too.
std::vector<TagSpan> tag_spans(std::span<const std::string_view> tags);

/// Sums over the sentences.
class EntityScore {
 public:
  /// One tag a word on both sides.
  void add(std::span<const std::string_view> answered, std::span<const std::string_view> gold);

  /// Of all entities together; 0 where there is nothing to divide by.
  double precision() const;
  double recall() const;
  double f1() const;
  /// The share of words with the right tag; NaN of none.
  double accuracy() const;
  std::int64_t words() const { return words_; }
  std::int64_t entities() const { return gold_; }

 private:
  std::int64_t words_ = 0, right_words_ = 0;
  std::int64_t answered_ = 0, gold_ = 0, right_ = 0;
};

}  // namespace linnet
