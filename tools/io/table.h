#pragma once

#include <string>
#include <vector>

namespace linnet::io {

/// Columns lined up for people: widths by the longest cell, in terminal columns.
class Table {
 public:
  enum class Align { kLeft, kRight };
  struct Column {
    std::string title;
    Align align = Align::kLeft;
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  /// One cell a column. Control characters and invalid UTF-8 are made harmless.
  void add(std::vector<std::string> cells);
  std::string text() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

/// Text on one line and fit for a terminal: control and bidirectional characters become escapes,
/// invalid bytes U+FFFD.
std::string harmless(std::string_view text);

}  // namespace linnet::io
