#pragma once

#include <string_view>

#include "tokenizer/token_sink.h"

namespace linnet::tokenizer {

/// Offsets of byte-level tokens without the white space at their ends.
struct TrimOffsets {
  /// The pre-tokenizer adds a space: a single one in front of the first token stays in its span.
  bool add_prefix_space = true;
};

/// Trims the spans of the tokens of `text` (bytes, with their blanks) and sets first_spans: a
/// character of the text goes for each one of white space in the token.
void trim_offsets(const TrimOffsets& trim, std::string_view text, Tokens& tokens);

}  // namespace linnet::tokenizer
