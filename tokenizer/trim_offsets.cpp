#include "tokenizer/trim_offsets.h"

#include "tokenizer/utf8.h"

namespace linnet::tokenizer {
namespace {

// Without its first and last characters, as many as there are.
Span trimmed(std::string_view text, Span span, std::int32_t leading, std::int32_t trailing) {
  for (; leading > 0 && span.begin < span.end; --leading) {
    span.begin +=
        static_cast<std::int32_t>(utf8::length_of(text[static_cast<std::size_t>(span.begin)]));
  }
  for (; trailing > 0 && span.begin < span.end; --trailing) {
    span.end = static_cast<std::int32_t>(utf8::previous(text, span.end));
  }
  return span;
}

}  // namespace

void trim_offsets(const TrimOffsets& trim, std::string_view text, Tokens& tokens) {
  tokens.first_spans.resize(tokens.spans.size());
  for (std::size_t i = 0; i < tokens.spans.size(); ++i) {
    Span& span = tokens.spans[i];
    const Blanks blanks = tokens.blanks[i];
    // A single space in front of the first token was put there by the pre-tokenizer.
    const std::int32_t kept = trim.add_prefix_space && blanks.leading == 1 ? 0 : blanks.leading;
    tokens.first_spans[i] = trimmed(text, span, kept, blanks.trailing);
    span = span.begin == 0 ? tokens.first_spans[i]
                           : trimmed(text, span, blanks.leading, blanks.trailing);
  }
}

}  // namespace linnet::tokenizer
