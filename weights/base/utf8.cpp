#include "weights/base/utf8.h"

#include <array>
#include <cstdint>

namespace linnet {

std::size_t utf8_decode(std::string_view s, char32_t& c) {
  const auto at = [&](std::size_t i) { return static_cast<std::uint8_t>(s[i]); };
  const std::uint8_t first = at(0);
  if (first < 0x80) {
    c = first;
    return 1;
  }
  const std::size_t n = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || s.size() < n) return 0;
  c = first & (0x7Fu >> n);
  for (std::size_t i = 1; i < n; ++i) {
    if ((at(i) & 0xC0) != 0x80) return 0;
    c = c << 6 | (at(i) & 0x3Fu);
  }
  constexpr std::array<char32_t, 5> kLeast{0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = c >= 0xD800 && c <= 0xDFFF;
  return c < kLeast[n] || c > 0x10FFFF || surrogate ? 0 : n;
}

void utf8_append(std::string& text, char32_t c) {
  const auto byte = [](char32_t bits) {
    return static_cast<char>(static_cast<std::uint8_t>(bits));
  };
  if (c < 0x80) {
    text += byte(c);
  } else if (c < 0x800) {
    text += {byte(0xC0 | c >> 6), byte(0x80 | (c & 0x3F))};
  } else if (c < 0x10000) {
    text += {byte(0xE0 | c >> 12), byte(0x80 | (c >> 6 & 0x3F)), byte(0x80 | (c & 0x3F))};
  } else {
    text += {byte(0xF0 | c >> 18), byte(0x80 | (c >> 12 & 0x3F)), byte(0x80 | (c >> 6 & 0x3F)),
             byte(0x80 | (c & 0x3F))};
  }
}

}  // namespace linnet
