#include "weights/base/json_writer.h"

#include <charconv>
#include <cmath>

#include "weights/base/utf8.h"

namespace linnet::json {
namespace {

void append_escaped(std::string& out, char c) {
  constexpr char kHex[] = "0123456789abcdef";
  switch (c) {
    case '"':
    case '\\':
      out += {'\\', c};
      return;
    case '\n':
      out += "\\n";
      return;
    case '\t':
      out += "\\t";
      return;
    case '\r':
      out += "\\r";
      return;
    default:
      out += "\\u00";
      out += {kHex[c >> 4 & 15], kHex[c & 15]};
  }
}

void append_string(std::string& out, std::string_view value) {
  out += '"';
  std::size_t copied = 0;  // what lies between goes over in one piece
  for (std::size_t i = 0; i < value.size();) {
    const auto c = static_cast<unsigned char>(value[i]);
    const bool plain = c >= 0x20 && c < 0x7F && c != '"' && c != '\\';
    const std::size_t n = plain ? 1 : utf8_length(value.substr(i));
    if (plain || n > 1) {
      i += n;
      continue;
    }
    out += value.substr(copied, i - copied);
    if (n == 0) {
      out += "\xEF\xBF\xBD";
    } else {
      append_escaped(out, value[i]);
    }
    copied = ++i;
  }
  out += value.substr(copied);
  out += '"';
}

}  // namespace

void Writer::new_line() {
  if (indent_ == 0) return;
  text_ += '\n';
  text_.append(static_cast<std::size_t>(indent_) * levels_.size(), ' ');
}

void Writer::separate() {
  if (after_key_) {
    after_key_ = false;
    return;
  }
  if (levels_.empty()) return;
  if (!levels_.back().empty) text_ += indent_ == 0 ? ", " : ",";
  levels_.back().empty = false;
  new_line();
}

Writer& Writer::open(char bracket) {
  separate();
  text_ += bracket;
  levels_.push_back({});
  return *this;
}

Writer& Writer::close(char bracket) {
  const bool empty = levels_.back().empty;
  levels_.pop_back();
  if (!empty) new_line();
  text_ += bracket;
  return *this;
}

Writer& Writer::key(std::string_view name) {
  separate();
  append_string(text_, name);
  text_ += ": ";
  after_key_ = true;
  return *this;
}

Writer& Writer::string(std::string_view value) {
  separate();
  append_string(text_, value);
  return *this;
}

Writer& Writer::integer(std::int64_t value) {
  separate();
  text_ += std::to_string(value);
  return *this;
}

Writer& Writer::float32(float value) {
  if (!std::isfinite(value)) return null();
  separate();
  char digits[32];
  const auto end =
      std::to_chars(digits, digits + sizeof digits, value, std::chars_format::general, 9);
  text_.append(digits, end.ptr);
  return *this;
}

Writer& Writer::float64(double value) {
  if (!std::isfinite(value)) return null();
  separate();
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof digits, value);
  text_.append(digits, end.ptr);
  return *this;
}

Writer& Writer::boolean(bool value) {
  separate();
  text_ += value ? "true" : "false";
  return *this;
}

Writer& Writer::null() {
  separate();
  text_ += "null";
  return *this;
}

}  // namespace linnet::json
