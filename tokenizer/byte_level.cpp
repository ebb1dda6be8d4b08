#include "tokenizer/byte_level.h"

#include <array>

#include "tokenizer/utf8.h"

namespace linnet::tokenizer::byte_level {
namespace {

constexpr std::size_t kAlphabetEnd = 0x100 + 68;

constexpr bool stands_for_itself(std::size_t byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

constexpr std::array<std::uint16_t, 256> kChars = [] {
  std::array<std::uint16_t, 256> chars{};
  std::size_t next = 0x100;
  for (std::size_t byte = 0; byte < 256; ++byte) {
    chars[byte] = static_cast<std::uint16_t>(stands_for_itself(byte) ? byte : next++);
  }
  return chars;
}();

constexpr std::array<std::int16_t, kAlphabetEnd> kBytes = [] {
  std::array<std::int16_t, kAlphabetEnd> bytes{};
  bytes.fill(-1);
  for (std::size_t byte = 0; byte < 256; ++byte) {
    bytes[kChars[byte]] = static_cast<std::int16_t>(byte);
  }
  return bytes;
}();

}  // namespace

char32_t char_of(std::uint8_t byte) { return kChars[byte]; }

std::optional<std::uint8_t> byte_of(char32_t c) {
  if (c >= kAlphabetEnd || kBytes[c] < 0) return std::nullopt;
  return static_cast<std::uint8_t>(kBytes[c]);
}

std::string encode(std::string_view bytes) {
  std::string out;
  out.reserve(2 * bytes.size());
  for (const char byte : bytes) utf8::append(out, char_of(static_cast<std::uint8_t>(byte)));
  return out;
}

std::optional<std::string> decode(std::string_view token) {
  std::string out;
  for (std::int64_t at = 0; at < static_cast<std::int64_t>(token.size());
       at += utf8::length_of(token[static_cast<std::size_t>(at)])) {
    const auto byte = byte_of(utf8::decode(token, at));
    if (!byte) return std::nullopt;
    out.push_back(static_cast<char>(*byte));
  }
  return out;
}

}  // namespace linnet::tokenizer::byte_level
