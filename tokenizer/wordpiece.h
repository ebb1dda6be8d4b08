#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/vocabulary.h"

namespace linnet::tokenizer {

/// One piece of a word: its id and where it ends in the bytes of the word.
struct Piece {
  std::int32_t id;
  std::int32_t end;
};

/// WordPiece: greedy longest match from the left; pieces behind the first carry the continuing
/// prefix. A word that is too long, or has a rest that nothing matches, is one unknown token.
/// Source: Schuster and Nakajima 2012; google-research/bert, tokenization.py.
class WordPiece {
 public:
  struct Settings {
    std::string unk_token = "[UNK]";
    std::string continuing_subword_prefix = "##";
    std::int64_t max_input_chars_per_word = 100;
  };

  /// The vocabulary must outlive it. Throws Error (kFormat) if it lacks the unknown token.
  WordPiece(const Vocabulary& vocabulary, Settings settings);

  /// Splits a word of valid UTF-8 with `chars` characters, at least one, which TokenIndex::kPadding
  /// readable bytes follow.
  void split(std::string_view word, std::int64_t chars, std::vector<Piece>& pieces) const;

  std::int32_t unk_id() const { return unk_id_; }
  const Settings& settings() const { return settings_; }
  /// The id of a word that is one short token, or TokenIndex::kNoValue.
  std::int32_t whole(TokenIndex::Key key) const { return first_->find(key); }

 private:
  const TokenIndex* first_;
  TokenIndex continuing_;  // the tokens with the continuing prefix, without it
  Settings settings_;
  std::int32_t unk_id_;
};

}  // namespace linnet::tokenizer
