#include "weights/base/text.h"

#include <cstdint>

#include "weights/base/utf8.h"

namespace linnet {
namespace {

constexpr char kHex[] = "0123456789abcdef";

// Characters that move the cursor, hide text or turn its direction in a terminal.
bool is_treacherous(char32_t c) {
  return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x061C || (c >= 0x200B && c <= 0x200F) ||
         (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF ||
         (c >= 0xFFF9 && c <= 0xFFFB) || (c >= 0xE0000 && c <= 0xE007F);
}

// Appends `text`, escaped, and whether all of it found room.
bool append_escaped(std::string& out, std::string_view text, std::size_t most, bool quoted) {
  for (std::size_t i = 0; i < text.size();) {
    if (i >= most) return false;
    char32_t c = 0;
    const std::size_t n = utf8_decode(text.substr(i), c);
    if (n == 0) {
      const auto byte = static_cast<std::uint8_t>(text[i]);
      out += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
      i += 1;
      continue;
    }
    if (quoted && (c == '"' || c == '\\')) {
      out += {'\\', static_cast<char>(c)};
    } else if (is_treacherous(c)) {
      out += "\\u{";
      for (int shift = c > 0xFFFF ? 20 : 12; shift >= 0; shift -= 4) out += kHex[c >> shift & 15];
      out += '}';
    } else {
      out += text.substr(i, n);
    }
    i += n;
  }
  return true;
}

}  // namespace

std::string printable(std::string_view text, std::size_t most) {
  std::string out;
  if (!append_escaped(out, text, most, false)) out += "…";
  return out;
}

std::string quote(std::string_view text, std::size_t most) {
  std::string out = "\"";
  const bool whole = append_escaped(out, text, most, true);
  return out + (whole ? "\"" : "\"…");
}

}  // namespace linnet
