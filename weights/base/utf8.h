#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace linnet {

/// Bytes of the well-formed UTF-8 sequence at the front of `text` (Unicode 15, table 3-7), its code
/// point in `c`; 0 when there is none. `text` is not empty.
std::size_t utf8_decode(std::string_view text, char32_t& c);

inline std::size_t utf8_length(std::string_view text) {
  char32_t c = 0;
  return utf8_decode(text, c);
}

/// Appends the UTF-8 of `c`, a code point that is no surrogate.
void utf8_append(std::string& text, char32_t c);

}  // namespace linnet
