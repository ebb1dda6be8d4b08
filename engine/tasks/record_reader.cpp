#include "engine/tasks/record_reader.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "weights/base/error.h"
#include "weights/base/json.h"
#include "weights/base/text.h"
#include "weights/base/utf8.h"

namespace linnet {
namespace {

std::string_view without_cr(std::string_view line) {
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

bool is_blank(std::string_view line) { return line.find_first_not_of(" \t\r") == line.npos; }

std::string too_long_message(std::int64_t limit) {
  return "the line has more than " + std::to_string(limit) + " bytes";
}

std::string names_text(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + quote(name);
  return text;
}

std::string missing_message(const FieldRequest& request, const char* what,
                            const std::vector<std::string>& found) {
  const std::vector<std::string>& names =
      request.column.empty() ? request.guesses : std::vector<std::string>{request.column};
  return std::string("no ") + what + " " + (names.size() > 1 ? "of " : "") + names_text(names) +
         "; there are: " + names_text(found);
}

// The value of a field in JSON as text.
std::string json_text(const json::Value& value) {
  switch (value.kind()) {
    case json::Kind::kString:
      return std::string(value.string());
    case json::Kind::kBoolean:
      return value.boolean() ? "true" : "false";
    case json::Kind::kInteger:
      return std::to_string(value.integer());
    case json::Kind::kFloat: {
      char text[32];
      return {text, std::to_chars(text, text + sizeof(text), value.number()).ptr};
    }
    default:
      value.fail("expected a string or a number");
  }
}

std::string json_list(const json::Value& value) {
  if (value.kind() != json::Kind::kArray) return json_text(value);
  std::string text;
  for (const json::Value element : value.elements()) {
    const std::string part = json_text(element);
    if (part.find(kListSeparator) != part.npos) element.fail("has the character U+001F");
    text += part;
    text += kListSeparator;
  }
  return text;
}

// A message about a document without a name and of one line, ":1:COLUMN: …".
std::string json_message(const Error& error) {
  const std::string_view what = error.what();
  if (what.substr(0, 3) != ":1:") return std::string(what);
  return "column " + std::string(what.substr(3));
}

// Splits at tabs.
void split_tsv(std::string_view line, std::vector<std::string>& cells) {
  cells.clear();
  for (std::size_t tab; (tab = line.find('\t')) != line.npos; line.remove_prefix(tab + 1)) {
    cells.emplace_back(line.substr(0, tab));
  }
  cells.emplace_back(line);
}

// Takes the lines of one CSV record (RFC 4180); a quoted cell may go on in the next line.
class CsvRecord {
 public:
  explicit CsvRecord(std::vector<std::string>& cells) : cells_(cells) { cells_.clear(); }

  /// False when the record goes on in the next line.
  bool take(std::string_view line) {
    std::size_t i = 0;
    if (!quoted_) cells_.emplace_back();
    while (true) {
      if (!quoted_ && cells_.back().empty() && !was_quoted_ && i < line.size() && line[i] == '"') {
        quoted_ = was_quoted_ = true;
        ++i;
      }
      if (quoted_ && !take_quoted(line, i)) {
        cells_.back() += '\n';
        return false;
      }
      if (!take_plain(line, i)) return true;
    }
  }
  /// Not empty when a quote stands where none may.
  const std::string& error() const { return error_; }

 private:
  // Up to the closing quote; false at the end of the line.
  bool take_quoted(std::string_view line, std::size_t& i) {
    while (i < line.size()) {
      const std::size_t quote = std::min(line.find('"', i), line.size());
      cells_.back() += line.substr(i, quote - i);
      i = std::min(quote + 1, line.size());
      if (quote == line.size()) return false;
      if (i < line.size() && line[i] == '"') {
        cells_.back() += '"';
        ++i;
      } else {
        quoted_ = false;
        return true;
      }
    }
    return false;
  }

  // Up to the comma, which begins a new cell; false at the end of the line.
  bool take_plain(std::string_view line, std::size_t& i) {
    const std::size_t comma = std::min(line.find(',', i), line.size());
    std::string_view rest = line.substr(i, comma - i);
    if (comma == line.size()) rest = without_cr(rest);
    if (was_quoted_ && !rest.empty()) error_ = "text after the closing quote of a cell";
    if (rest.find('"') != rest.npos) error_ = "a quote inside a cell without quotes";
    cells_.back() += rest;
    i = comma + 1;
    was_quoted_ = false;
    if (comma == line.size()) return false;
    cells_.emplace_back();
    return true;
  }

  std::vector<std::string>& cells_;
  bool quoted_ = false;      // inside quotes
  bool was_quoted_ = false;  // this cell began with a quote
  std::string error_;
};

}  // namespace

RecordFormat record_format_of(std::string_view path) {
  for (std::string_view packed : {".gz", ".zst"}) {
    if (path.ends_with(packed)) path.remove_suffix(packed.size());
  }
  if (path.ends_with(".jsonl") || path.ends_with(".ndjson")) return RecordFormat::kJsonl;
  if (path.ends_with(".csv")) return RecordFormat::kCsv;
  return path.ends_with(".tsv") ? RecordFormat::kTsv : RecordFormat::kText;
}

FieldRequest text_field(std::string column) {
  return {std::move(column),
          {"text", "sentence", "content", "sentence1", "#1 String", "premise", "question1",
           "question", "query"}};
}

FieldRequest pair_field(std::string column) {
  return {std::move(column),
          {"pair", "text_pair", "sentence2", "#2 String", "hypothesis", "question2", "context",
           "answer", "passage"}};
}

RecordReader::RecordReader(ReadBytes read, std::string name, RecordOptions options)
    : lines_(std::move(read), std::move(name), options.max_line_bytes),
      options_(std::move(options)) {
  if (options_.fields.empty()) options_.fields.push_back(text_field());
  if (options_.format == RecordFormat::kCsv || options_.format == RecordFormat::kTsv) {
    choose_columns();
  }
}

void RecordReader::choose_columns() {
  Record header;
  if (!read_cells(header)) return;  // an empty file has no records
  if (!header.error.empty()) {
    throw Error(ErrorCode::kFormat, lines_.name() + ": line 1: " + header.error);
  }
  columns_ = cells_.size();
  for (const FieldRequest& request : options_.fields) {
    const auto index_of = [&](const std::string& column) -> std::optional<std::size_t> {
      const auto found = std::find(cells_.begin(), cells_.end(), column);
      if (found == cells_.end()) return std::nullopt;
      return static_cast<std::size_t>(found - cells_.begin());
    };
    std::optional<std::size_t> chosen;
    if (!request.column.empty()) {
      chosen = index_of(request.column);
    } else {
      for (const std::string& guess : request.guesses) {
        if (!chosen) chosen = index_of(guess);
      }
    }
    if (!chosen && (request.required || !request.column.empty())) {
      throw Error(ErrorCode::kFormat,
                  lines_.name() + ": " + missing_message(request, "column", cells_));
    }
    chosen_.push_back(chosen);
  }
}

bool RecordReader::next(Record& record) {
  record.error.clear();
  record.fields.assign(options_.fields.size(), std::nullopt);
  bool there = false;
  switch (options_.format) {
    case RecordFormat::kText:
      there = next_line(record);
      break;
    case RecordFormat::kJsonl:
      there = next_object(record);
      break;
    case RecordFormat::kCsv:
    case RecordFormat::kTsv:
      there = next_row(record);
      break;
  }
  if (!there) return false;
  record.index = index_++;
  check_text(record);
  return true;
}

void RecordReader::check_text(Record& record) const {
  if (options_.invalid == InvalidText::kPass) return;
  for (const auto& field : record.fields) {
    if (!field || !record.error.empty()) continue;
    std::string_view rest = *field;
    while (!rest.empty()) {
      const std::size_t n = utf8_length(rest);
      if (n == 0) {
        record.error = "invalid UTF-8 at byte " + std::to_string(field->size() - rest.size());
        break;
      }
      rest.remove_prefix(n);
    }
  }
}

bool RecordReader::next_line(Record& record) {
  std::string_view line;
  const LineReader::Next next = lines_.next(line);
  if (next == LineReader::Next::kEnd) return false;
  record.line = lines_.number();
  if (next == LineReader::Next::kTooLong) {
    record.error = too_long_message(lines_.max_line_bytes());
  } else {
    record.fields[0] = std::string(without_cr(line));
  }
  return true;
}

bool RecordReader::next_object(Record& record) {
  std::string_view line;
  LineReader::Next next;
  do {
    next = lines_.next(line);
    if (next == LineReader::Next::kEnd) return false;
  } while (next == LineReader::Next::kLine && is_blank(line));
  record.line = lines_.number();
  if (next == LineReader::Next::kTooLong) {
    record.error = too_long_message(lines_.max_line_bytes());
    return true;
  }
  try {
    const json::Document document = json::parse(without_cr(line), "", lines_.max_line_bytes());
    const json::Value object = document.root();
    for (std::size_t f = 0; f < options_.fields.size(); ++f) {
      const FieldRequest& request = options_.fields[f];
      std::optional<json::Value> value;
      if (!request.column.empty()) {
        value = object.find(request.column);
      } else {
        for (const std::string& guess : request.guesses) {
          if (!value) value = object.find(guess);
        }
      }
      if (value) {
        record.fields[f] = request.list ? json_list(*value) : json_text(*value);
      } else if (request.required) {
        std::vector<std::string> keys;
        for (const json::Member member : object.members()) keys.emplace_back(member.key);
        record.error = missing_message(request, "key", keys);
      }
    }
  } catch (const Error& error) {
    record.error = json_message(error);
  }
  return true;
}

// The next row that is not blank, cut into cells_.
bool RecordReader::read_cells(Record& record) {
  std::string_view line;
  LineReader::Next next;
  do {
    next = lines_.next(line);
    if (next == LineReader::Next::kEnd) return false;
  } while (next == LineReader::Next::kLine && without_cr(line).empty());
  record.line = lines_.number();
  const std::string too_long = too_long_message(lines_.max_line_bytes());
  if (next == LineReader::Next::kTooLong) return record.error = too_long, true;
  if (options_.format == RecordFormat::kTsv) return split_tsv(without_cr(line), cells_), true;

  CsvRecord csv(cells_);
  std::int64_t bytes = 0;
  while (!csv.take(line)) {
    bytes += static_cast<std::int64_t>(line.size()) + 1;
    next = lines_.next(line);
    if (next == LineReader::Next::kEnd) return record.error = "a quote is never closed", true;
    if (next == LineReader::Next::kTooLong || bytes > lines_.max_line_bytes()) {
      return record.error = too_long, true;
    }
  }
  record.error = csv.error();
  return true;
}

bool RecordReader::next_row(Record& record) {
  if (columns_ == 0 || !read_cells(record)) return false;
  if (record.error.empty() && cells_.size() != columns_) {
    record.error =
        "found " + std::to_string(cells_.size()) + " cells, expected " + std::to_string(columns_);
  }
  if (!record.error.empty()) return true;
  for (std::size_t f = 0; f < chosen_.size(); ++f) {
    if (chosen_[f]) record.fields[f] = std::move(cells_[*chosen_[f]]);
  }
  return true;
}

}  // namespace linnet
