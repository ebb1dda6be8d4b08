#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tools/io/output.h"
#include "tools/io/table.h"

namespace linnet::tools {

/// kJsonl: an object a row. kJson: one object with all rows. kTable: columns for people.
enum class ResultFormat { kJsonl, kJson, kTable };

/// "jsonl", "json", "table".
ResultFormat parse_result_format(std::string_view text);

/// What a task made of one row.
struct RowResult {
  std::string json;                             // a JSON value
  std::vector<std::vector<std::string>> cells;  // rows of the table
  std::string error;                            // not empty: the row failed
};

struct ResultOptions {
  ResultFormat format = ResultFormat::kJsonl;
  std::string schema;                      // of kJson
  std::string key;                         // of a row's value in kJsonl, e.g. "answers"
  std::vector<io::Table::Column> columns;  // of kTable
};

/// Writes the results of rows in the order they are given. A row that failed is {"index", "error"}
/// in kJsonl, null in kJson, where the errors follow the rows, and absent from a table.
class ResultWriter {
 public:
  ResultWriter(ResultOptions options, io::Sink sink);

  void add(const RowResult& result);
  /// Writes the rows of the table so far: columns are lined up among these.
  void flush();
  /// Writes what comes last. Without it the output is not complete.
  void finish();

  std::int64_t rows() const { return rows_; }

 private:
  ResultOptions options_;
  io::Sink sink_;
  io::Table table_;
  bool has_cells_ = false;
  std::int64_t rows_ = 0;
  std::string errors_;  // of kJson: elements of an array
};

}  // namespace linnet::tools
