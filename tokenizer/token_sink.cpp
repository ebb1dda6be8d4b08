#include "tokenizer/token_sink.h"

#include "tokenizer/byte_level.h"
#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"

namespace linnet::tokenizer {
namespace {

bool is_blank(char32_t c) {
  return c == byte_level::char_of(' ') || (unicode::table().classes(c) & unicode::kWhitespace) != 0;
}

}  // namespace

Blanks blanks_of(std::string_view token) {
  const auto end = static_cast<std::int64_t>(token.size());
  Blanks blanks{0, 0};
  for (std::int64_t at = 0; at < end && is_blank(utf8::decode(token, at));
       at += utf8::length_of(token[static_cast<std::size_t>(at)])) {
    ++blanks.leading;
  }
  for (std::int64_t at = end; at > 0; ++blanks.trailing) {
    at = utf8::previous(token, at);
    if (!is_blank(utf8::decode(token, at))) break;
  }
  return blanks;
}

}  // namespace linnet::tokenizer
