#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/tasks/vector_precision.h"
#include "tools/io/spool.h"
#include "tools/io/vector_writer.h"

namespace linnet::commands {

/// Takes rows of floats and writes them in a precision, in order and in constant memory. With int8
/// and no ranges given, the ranges are those of the rows themselves: they wait in a file until the
/// last has come. A row with a value that is not finite has no int8 or binary form and fails.
class PrecisionWriter {
 public:
  /// `options` without type and dimensions; `width` values a row come in. Throws kInvalidArgument
  /// as stored_values does.
  PrecisionWriter(io::VectorOptions options, VectorPrecision precision, std::int64_t width,
                  ValueRanges ranges, io::Sink sink);

  /// Empty, or why this row fails.
  static std::string refusal(VectorPrecision precision, std::span<const float> row);

  /// A row that refusal() has nothing against.
  void add(std::span<const float> row);
  void add_failed(std::string_view error);
  void finish();

  std::int64_t rows() const { return rows_; }
  /// Rows that the ranges of int8 were taken from.
  std::int64_t calibrated_rows() const { return calibrated_rows_; }

 private:
  void write(std::span<const float> row);

  VectorPrecision precision_;
  ValueRanges ranges_;
  std::unique_ptr<io::Spool> waiting_;  // float rows, when the ranges are to come from them
  std::vector<std::pair<std::int64_t, std::string>> failed_;  // row and error of those waiting
  std::vector<std::int8_t> packed_;
  std::int64_t width_;
  std::int64_t rows_ = 0;
  std::int64_t calibrated_rows_ = 0;
  io::VectorWriter writer_;
};

}  // namespace linnet::commands
