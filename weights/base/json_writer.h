#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace linnet::json {

/// Builds JSON text with the keys in the order they are written. No locale: '.' is the decimal
/// point. `indent` 0 writes everything on one line ("a": 1, "b": 2 without line breaks).
class Writer {
 public:
  explicit Writer(int indent = 0) : indent_(indent) {}

  Writer& begin_object() { return open('{'); }
  Writer& end_object() { return close('}'); }
  Writer& begin_array() { return open('['); }
  Writer& end_array() { return close(']'); }
  Writer& key(std::string_view name);

  /// Valid UTF-8 stays as it is; invalid bytes become U+FFFD.
  Writer& string(std::string_view value);
  Writer& integer(std::int64_t value);
  /// %.9g: the float comes back from the text. Null when it is not finite.
  Writer& float32(float value);
  /// The shortest text that gives the double back. Null when it is not finite.
  Writer& float64(double value);
  Writer& boolean(bool value);
  Writer& null();

  const std::string& text() const& { return text_; }
  std::string text() && { return std::move(text_); }

 private:
  Writer& open(char bracket);
  Writer& close(char bracket);
  void separate();
  void new_line();

  struct Level {
    bool empty = true;
  };
  int indent_;
  bool after_key_ = false;
  std::vector<Level> levels_;
  std::string text_;
};

}  // namespace linnet::json
