#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace linnet::tokenizer::utf8 {

/// What stands at one place of a byte string.
struct Sequence {
  std::int64_t length;  ///< bytes; at least 1
  bool valid;           ///< a well-formed sequence, else a maximal ill-formed subpart
};

/// The sequence at text[at], at < text.size(). Source: The Unicode Standard, table 3-7 (well-formed
/// byte sequences) and section 3.9 (maximal subparts).
Sequence sequence(std::string_view text, std::int64_t at);

/// Length of the longest prefix that is valid UTF-8: text.size() if all of it is.
std::int64_t valid_prefix(std::string_view text);

/// `text` with U+FFFD for every maximal ill-formed subpart.
std::string replace_invalid(std::string_view text);

/// Bytes of the character that begins with `lead`, in valid UTF-8.
inline std::int64_t length_of(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

inline bool is_continuation(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

/// The character at text[at] of valid UTF-8.
inline char32_t decode(std::string_view text, std::int64_t at) {
  const auto byte = [&](std::int64_t i) {
    return static_cast<char32_t>(
        static_cast<unsigned char>(text[static_cast<std::size_t>(at + i)]));
  };
  const char32_t lead = byte(0);
  if (lead < 0x80) return lead;
  if (lead < 0xE0) return ((lead & 0x1F) << 6) | (byte(1) & 0x3F);
  if (lead < 0xF0) return ((lead & 0x0F) << 12) | ((byte(1) & 0x3F) << 6) | (byte(2) & 0x3F);
  return ((lead & 0x07) << 18) | ((byte(1) & 0x3F) << 12) | ((byte(2) & 0x3F) << 6) |
         (byte(3) & 0x3F);
}

/// Where the character that ends at text[end] begins; end > 0, valid UTF-8.
inline std::int64_t previous(std::string_view text, std::int64_t end) {
  do --end;
  while (is_continuation(text[static_cast<std::size_t>(end)]));
  return end;
}

/// Appends a character.
inline void append(std::string& out, char32_t c) {
  const auto put = [&](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | (c >> 6));
    put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | (c >> 12));
    put(0x80 | ((c >> 6) & 0x3F));
    put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | (c >> 18));
    put(0x80 | ((c >> 12) & 0x3F));
    put(0x80 | ((c >> 6) & 0x3F));
    put(0x80 | (c & 0x3F));
  }
}

}  // namespace linnet::tokenizer::utf8
