#include "tokenizer/utf8.h"

#include <cstring>

namespace linnet::tokenizer::utf8 {
namespace {

// Bytes from `at` that are surely ASCII, found eight at a time.
std::int64_t ascii_run(std::string_view text, std::int64_t at) {
  const auto size = static_cast<std::int64_t>(text.size());
  std::int64_t i = at;
  for (; i + 8 <= size; i += 8) {
    std::uint64_t word;
    std::memcpy(&word, text.data() + i, sizeof word);
    if ((word & 0x8080808080808080u) != 0) break;
  }
  while (i < size && static_cast<unsigned char>(text[static_cast<std::size_t>(i)]) < 0x80) ++i;
  return i - at;
}

}  // namespace

Sequence sequence(std::string_view text, std::int64_t at) {
  const auto byte = [&](std::int64_t i) -> int {
    const auto p = static_cast<std::size_t>(at + i);
    return p < text.size() ? static_cast<unsigned char>(text[p]) : -1;
  };
  const int lead = byte(0);
  if (lead < 0x80) return {1, true};
  std::int64_t length = 0;
  int low = 0x80, high = 0xBF;  // what the second byte may be
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3;
    if (lead == 0xE0) low = 0xA0;   // shorter forms exist
    if (lead == 0xED) high = 0x9F;  // surrogates
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;  // beyond U+10FFFF
  } else {
    return {1, false};
  }
  for (std::int64_t i = 1; i < length; ++i) {
    if (byte(i) < low || byte(i) > high) return {i, false};
    low = 0x80;
    high = 0xBF;
  }
  return {length, true};
}

std::int64_t valid_prefix(std::string_view text) {
  const auto size = static_cast<std::int64_t>(text.size());
  std::int64_t at = 0;
  while (true) {
    at += ascii_run(text, at);
    if (at == size) return size;
    const Sequence s = sequence(text, at);
    if (!s.valid) return at;
    at += s.length;
  }
}

std::string replace_invalid(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  std::size_t at = 0;
  while (at < text.size()) {
    const auto good = static_cast<std::size_t>(valid_prefix(text.substr(at)));
    out.append(text.substr(at, good));
    at += good;
    if (at < text.size()) {
      out.append("\xEF\xBF\xBD");
      at += static_cast<std::size_t>(sequence(text, static_cast<std::int64_t>(at)).length);
    }
  }
  return out;
}

}  // namespace linnet::tokenizer::utf8
