#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/tasks/record_reader.h"
#include "tools/cli/arguments.h"
#include "tools/io/input_stream.h"

namespace linnet::io {

/// Records of texts from wherever the user put them: the words of the command line, the file of
/// --input, or standard input.
class TextSource {
 public:
  /// Texts given on the command line; each is one record with one field.
  explicit TextSource(std::vector<std::string> texts);
  /// A file, or standard input for "-".
  TextSource(const std::string& path, RecordOptions options);

  /// False at the end. Throws Interrupted when a signal came.
  bool next(Record& record);

  /// What messages call record `line`: "data.txt: line 7", or "text 3" of the command line.
  std::string place(const Record& record) const;
  /// The share of all records that is read, negative where that is not known.
  double fraction() const;
  bool is_file() const { return stream_ != nullptr; }

 private:
  std::vector<std::string> texts_;
  std::size_t next_ = 0;
  std::unique_ptr<InputStream> stream_;
  std::optional<RecordReader> reader_;
};

/// The options that a command with text has: see the constants of commands/common.h.
struct TextOptions {
  std::string input;  // empty: none was given
  RecordOptions records;
};

/// The texts of the command line, else of --input, else of standard input. Throws UsageError when
/// texts are given twice, or when standard input is a terminal.
TextSource open_texts(const std::vector<std::string>& words, const TextOptions& options);

}  // namespace linnet::io
