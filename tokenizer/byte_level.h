#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// GPT-2's alphabet: every byte as a character that can be seen, so that a vocabulary is text.
/// Bytes 21-7E, A1-AC and AE-FF are the characters of these numbers; the other 68, in order, are
/// U+0100 and up. Source: openai/gpt-2, encoder.py, bytes_to_unicode.
namespace linnet::tokenizer::byte_level {

char32_t char_of(std::uint8_t byte);
/// The byte that a character stands for, if it is one of the 256.
std::optional<std::uint8_t> byte_of(char32_t c);

/// Every byte as its character.
std::string encode(std::string_view bytes);
/// The bytes that the characters of `token` (valid UTF-8) stand for; nothing if one of them is not
/// in the alphabet.
std::optional<std::string> decode(std::string_view token);

}  // namespace linnet::tokenizer::byte_level
