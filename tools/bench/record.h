#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

// Results as named values, and the formats they are written in.
namespace linnet::bench {

/// No value is a missing one: null in JSON, an empty cell elsewhere.
using Value = std::variant<std::monostate, std::string, std::int64_t, double, bool,
                           std::vector<std::int64_t>, std::vector<double>>;

/// `heading` is its column in tables for people; without one it is in the other formats alone.
struct Field {
  std::string_view name;
  Value value = {};
  std::string_view heading = {};
  int decimals = 1;  // in tables
};
using Record = std::vector<Field>;

/// What a run of `bench` gives: where and how it was measured, and a row for each case. All rows
/// have the same fields.
struct Document {
  std::string_view schema;  // "linnet.bench.gemm.1"
  Record provenance = {};
  std::vector<Record> rows = {};
};

enum class Format : std::uint8_t { kTable, kCsv, kJson, kJsonl, kMarkdown, kSql };

/// "table|csv|json|jsonl|md|sql": the names of the formats, in their order.
inline constexpr std::string_view kFormats = "table|csv|json|jsonl|md|sql";
Format format_of(std::string_view name);

/// The document as text. csv, jsonl and sql repeat the provenance in every row; csv and sql leave
/// out lists.
std::string render(const Document& document, Format format);

}  // namespace linnet::bench
