#pragma once

#include <string>
#include <string_view>

#include "tokenizer/options.h"

namespace linnet::tokenizer {

/// Tokens back to text. WordPiece: the first token as it is; later ones lose the prefix, or get a
/// space in front. ByteLevel: the bytes that the characters stand for. None: tokens joined by
/// spaces.
struct Decoder {
  enum class Kind { kNone, kWordPiece, kByteLevel };
  Kind kind = Kind::kNone;
  std::string prefix = "##";
  bool cleanup = true;  ///< tidy each piece, as Cleanup::kTokenizers asks

  /// The text that a token adds behind others, or as the first one; with kByteLevel bytes that may
  /// end in the middle of a character.
  std::string piece(std::string_view token, bool first, Cleanup cleanup_asked) const;
};

/// transformers' clean_up_tokenization: spaces before marks and around apostrophes go.
std::string clean_up(std::string text);

}  // namespace linnet::tokenizer
