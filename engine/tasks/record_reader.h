#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/tasks/line_reader.h"

namespace linnet {

/// kText: a record is a line and has one field. kJsonl: an object a line. kCsv: RFC 4180, commas
/// and quotes. kTsv: tabs, a quote is a character like any other. Both have a row of column names.
enum class RecordFormat { kText, kJsonl, kCsv, kTsv };

/// By the end of a file's name (.jsonl, .ndjson, .csv, .tsv; a further .gz or .zst is passed over);
/// kText for every other.
RecordFormat record_format_of(std::string_view path);

/// Between the elements of a list in one field.
inline constexpr char kListSeparator = '\x1f';

/// A field that is wanted of each record.
struct FieldRequest {
  std::string column;                // its name; empty: the first of `guesses` that is there
  std::vector<std::string> guesses;  // names that data sets use for it
  bool required = true;
  bool list = false;  // of JSON: an array is taken, its elements with kListSeparator after each
};

/// Requests with the names that data sets use; `column` empty: guessed.
FieldRequest text_field(std::string column = {});
FieldRequest pair_field(std::string column = {});

/// What is done about text that is not UTF-8: the record fails, or the bytes are passed on.
enum class InvalidText { kRefuse, kPass };

struct RecordOptions {
  RecordFormat format = RecordFormat::kText;
  std::vector<FieldRequest> fields;  // none: text_field(); of kText the first one is the line
  std::int64_t max_line_bytes = kMaxLineBytes;
  InvalidText invalid = InvalidText::kRefuse;
};

/// One record, or why there is none. Numbers in JSON are given as they are written in the file.
struct Record {
  std::int64_t index = 0;                          // from 0, failed records counted
  std::int64_t line = 0;                           // where it begins, from 1
  std::vector<std::optional<std::string>> fields;  // as requested
  std::string error;                               // not empty: the record failed
};

/// Reads records one after the other in constant memory. A record that breaks the rules is given
/// with its error and the next ones are read all the same.
class RecordReader {
 public:
  /// Reads the row of column names. Throws kFormat when a requested column is not there, kLimit
  /// when that row is too long.
  RecordReader(ReadBytes read, std::string name, RecordOptions options);

  /// False at the end. Throws what reading throws.
  bool next(Record& record);

 private:
  struct Cells;
  bool next_line(Record& record);
  bool next_object(Record& record);
  bool next_row(Record& record);
  bool read_cells(Record& record);
  void choose_columns();
  void check_text(Record& record) const;

  LineReader lines_;
  RecordOptions options_;
  std::int64_t index_ = 0;
  std::vector<std::string> cells_;                  // of the current row
  std::size_t columns_ = 0;                         // cells that each row must have
  std::vector<std::optional<std::size_t>> chosen_;  // the cell of each field
};

}  // namespace linnet
