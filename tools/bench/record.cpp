#include "tools/bench/record.h"

#include <charconv>

#include "tools/io/table.h"
#include "weights/base/json_writer.h"

namespace linnet::bench {
namespace {

std::string fixed(double value, int decimals) {
  char text[64] = {};
  const auto end =
      std::to_chars(text, text + sizeof(text), value, std::chars_format::fixed, decimals);
  return {text, end.ptr};
}

std::string shortest(double value) {
  char text[64] = {};
  return {text, std::to_chars(text, text + sizeof(text), value).ptr};
}

bool is_list(const Value& value) {
  return std::holds_alternative<std::vector<std::int64_t>>(value) ||
         std::holds_alternative<std::vector<double>>(value);
}

bool is_number(const Value& value) {
  return std::holds_alternative<std::int64_t>(value) || std::holds_alternative<double>(value);
}

/// A scalar as plain text, empty without a value; `decimals` < 0 keeps a double exact.
std::string plain(const Value& value, int decimals) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return std::to_string(*integer);
  if (const auto* number = std::get_if<double>(&value)) {
    return decimals < 0 ? shortest(*number) : fixed(*number, decimals);
  }
  if (const auto* yes = std::get_if<bool>(&value)) return *yes ? "yes" : "no";
  return {};
}

void write_json(json::Writer& out, const Record& record) {
  for (const Field& field : record) {
    out.key(field.name);
    if (const auto* text = std::get_if<std::string>(&field.value)) {
      out.string(*text);
    } else if (const auto* integer = std::get_if<std::int64_t>(&field.value)) {
      out.integer(*integer);
    } else if (const auto* number = std::get_if<double>(&field.value)) {
      out.float64(*number);
    } else if (const auto* yes = std::get_if<bool>(&field.value)) {
      out.boolean(*yes);
    } else if (const auto* integers = std::get_if<std::vector<std::int64_t>>(&field.value)) {
      out.begin_array();
      for (const std::int64_t i : *integers) out.integer(i);
      out.end_array();
    } else if (const auto* numbers = std::get_if<std::vector<double>>(&field.value)) {
      out.begin_array();
      for (const double x : *numbers) out.float64(x);
      out.end_array();
    } else {
      out.null();
    }
  }
}

std::string as_json(const Document& document) {
  json::Writer out(2);
  out.begin_object().key("schema").string(document.schema);
  write_json(out, document.provenance);
  out.key("rows").begin_array();
  for (const Record& row : document.rows) {
    out.begin_object();
    write_json(out, row);
    out.end_object();
  }
  out.end_array().end_object();
  return std::move(out).text() + "\n";
}

std::string as_jsonl(const Document& document) {
  std::string text;
  for (const Record& row : document.rows) {
    json::Writer out;
    out.begin_object().key("schema").string(document.schema);
    write_json(out, document.provenance);
    write_json(out, row);
    out.end_object();
    text += std::move(out).text() + "\n";
  }
  return text;
}

/// f(field) for every field of a row that is no list, the provenance first.
template <class F>
void for_each_scalar(const Document& document, const Record& row, F&& f) {
  for (const Field& field : document.provenance) f(field);
  for (const Field& field : row) {
    if (!is_list(field.value)) f(field);
  }
}

/// `text` between quotes, a quote in it doubled.
std::string quoted(std::string_view text, char quote) {
  std::string out(1, quote);
  for (const char c : text) out += c == quote ? std::string(2, c) : std::string(1, c);
  return out + quote;
}

std::string as_csv(const Document& document) {
  std::string text;
  if (document.rows.empty()) return text;
  for_each_scalar(document, document.rows.front(), [&](const Field& field) {
    text += (text.empty() ? "" : ",") + std::string(field.name);
  });
  text += "\n";
  for (const Record& row : document.rows) {
    std::string line;
    bool first = true;
    for_each_scalar(document, row, [&](const Field& field) {
      const std::string value = plain(field.value, -1);
      line += first ? "" : ",";
      line += std::holds_alternative<std::string>(field.value) ? quoted(value, '"') : value;
      first = false;
    });
    text += line + "\n";
  }
  return text;
}

// As llama-bench does it: a table, then a row each, to be piped into sqlite3.
std::string as_sql(const Document& document) {
  std::string text;
  if (document.rows.empty()) return text;
  const std::string table(document.schema.find("gemm") != std::string_view::npos ? "gemm"
                                                                                 : "model");
  std::string columns;
  for_each_scalar(document, document.rows.front(), [&](const Field& field) {
    columns += (columns.empty() ? "" : ", ") + quoted(field.name, '"') +
               (is_number(field.value) ? " REAL" : " TEXT");
  });
  text = "CREATE TABLE IF NOT EXISTS " + table + " (" + columns + ");\n";
  for (const Record& row : document.rows) {
    std::string values;
    for_each_scalar(document, row, [&](const Field& field) {
      const std::string value = plain(field.value, -1);
      const bool missing = std::holds_alternative<std::monostate>(field.value);
      values += values.empty() ? "" : ", ";
      values += missing ? "NULL" : is_number(field.value) ? value : quoted(value, '\'');
    });
    text += "INSERT INTO " + table + " VALUES (" + values + ");\n";
  }
  return text;
}

std::vector<const Field*> shown(const Record& record) {
  std::vector<const Field*> fields;
  for (const Field& field : record) {
    if (!field.heading.empty()) fields.push_back(&field);
  }
  return fields;
}

std::string as_table(const Document& document) {
  std::string text;
  for (const Field* field : shown(document.provenance)) {
    text += "# " + std::string(field->heading) + ": " +
            io::harmless(plain(field->value, field->decimals)) + "\n";
  }
  if (document.rows.empty()) return text;
  std::vector<io::Table::Column> columns;
  for (const Field* field : shown(document.rows.front())) {
    const auto align = is_number(field->value) ? io::Table::Align::kRight : io::Table::Align::kLeft;
    columns.push_back({std::string(field->heading), align});
  }
  io::Table table(std::move(columns));
  for (const Record& row : document.rows) {
    std::vector<std::string> cells;
    for (const Field* field : shown(row)) cells.push_back(plain(field->value, field->decimals));
    table.add(std::move(cells));
  }
  return text + "\n" + table.text();
}

std::string cell(std::string_view text) {
  std::string out = "| ";
  for (const char c : io::harmless(text)) out += c == '|' ? "\\|" : std::string(1, c);
  return out + " ";
}

std::string as_markdown(const Document& document) {
  std::string text;
  for (const Field* field : shown(document.provenance)) {
    text += "- " + std::string(field->heading) + ": " +
            io::harmless(plain(field->value, field->decimals)) + "\n";
  }
  if (document.rows.empty()) return text;
  std::string rule;
  text += "\n";
  for (const Field* field : shown(document.rows.front())) {
    text += cell(field->heading);
    rule += is_number(field->value) ? "| ---: " : "| --- ";
  }
  text += "|\n" + rule + "|\n";
  for (const Record& row : document.rows) {
    for (const Field* field : shown(row)) text += cell(plain(field->value, field->decimals));
    text += "|\n";
  }
  return text;
}

}  // namespace

Format format_of(std::string_view name) {
  if (name == "csv") return Format::kCsv;
  if (name == "json") return Format::kJson;
  if (name == "jsonl") return Format::kJsonl;
  if (name == "md") return Format::kMarkdown;
  if (name == "sql") return Format::kSql;
  return Format::kTable;
}

std::string render(const Document& document, Format format) {
  switch (format) {
    case Format::kCsv:
      return as_csv(document);
    case Format::kJson:
      return as_json(document);
    case Format::kJsonl:
      return as_jsonl(document);
    case Format::kMarkdown:
      return as_markdown(document);
    case Format::kSql:
      return as_sql(document);
    case Format::kTable:
      break;
  }
  return as_table(document);
}

}  // namespace linnet::bench
