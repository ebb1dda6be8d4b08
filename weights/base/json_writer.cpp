#include "weights/base/json_writer.h"

#include <charconv>
#include <cmath>

#include "weights/base/utf8.h"

namespace linnet::json {
namespace {

void append_string(std::string& out, std::string_view value) {
  constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  for (std::size_t i = 0; i < value.size();) {
    const std::size_t n = utf8_length(value.substr(i));
    if (n == 0) {
      out += "\xEF\xBF\xBD";
      i += 1;
      continue;
    }
    const char c = value[i];
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\r') {
      out += "\\r";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      out += "\\u00";
      out += {kHex[c >> 4 & 15], kHex[c & 15]};
    } else {
      out += value.substr(i, n);
    }
    i += n;
  }
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
