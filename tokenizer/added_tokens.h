#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/tokenizer.h"
#include "tokenizer/trie.h"

namespace linnet::tokenizer {

/// Where an added token stands in a text: bytes, with the white space it takes in.
struct AddedMatch {
  std::int32_t token;  ///< index into the tokens
  std::int64_t begin;
  std::int64_t end;
};

/// Finds added tokens: leftmost, then longest, without overlap.
class AddedMatcher {
 public:
  /// Longest content that insert takes. The search may look this far ahead at every byte.
  static constexpr std::int64_t kMaxContentBytes = 4096;

  /// Adds the content of a token; empty contents never match, and of equal ones the first counts.
  void insert(std::string_view content, std::int32_t token);

  /// Fills `matches` with the places in `text` (valid UTF-8), in order. `tokens` is what the
  /// indices of insert mean. A longest match that is special while those are not parsed, or that
  /// must be a word and is none, is passed over whole. As in the reference, a match that begins
  /// with white space which the match before took in overlaps with it, unless it takes white space
  /// in on its left.
  void find(std::string_view text, std::span<const AddedToken> tokens, bool parse_special,
            std::vector<AddedMatch>& matches) const;

  bool empty() const { return first_bytes_.empty(); }

 private:
  std::size_t candidate(std::string_view text, std::size_t from) const;

  Trie trie_;
  std::array<bool, 256> is_first_{};
  std::string first_bytes_;  // the bytes that contents begin with
};

}  // namespace linnet::tokenizer
