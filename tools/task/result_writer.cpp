#include "tools/task/result_writer.h"

#include <utility>

#include "weights/base/json_writer.h"

namespace linnet::tools {
namespace {

std::string quoted(std::string_view text) {
  json::Writer out;
  return std::move(out.string(text)).text();
}

}  // namespace

ResultFormat parse_result_format(std::string_view text) {
  return text == "json"    ? ResultFormat::kJson
         : text == "table" ? ResultFormat::kTable
                           : ResultFormat::kJsonl;
}

ResultWriter::ResultWriter(ResultOptions options, io::Sink sink)
    : options_(std::move(options)), sink_(std::move(sink)), table_(options_.columns) {
  if (options_.format == ResultFormat::kJson) {
    sink_("{\"schema\": " + quoted(options_.schema) + ", \"results\": [");
  }
}

void ResultWriter::add(const RowResult& result) {
  const std::string index = std::to_string(rows_);
  const std::string failure = "{\"index\": " + index + ", \"error\": " + quoted(result.error) + "}";
  const bool failed = !result.error.empty();
  switch (options_.format) {
    case ResultFormat::kJsonl:
      sink_(failed ? failure + "\n"
                   : "{\"index\": " + index + ", " + quoted(options_.key) + ": " + result.json +
                         "}\n");
      break;
    case ResultFormat::kJson:
      sink_((rows_ == 0 ? "\n" : ",\n") + (failed ? std::string("null") : result.json));
      if (failed) errors_ += (errors_.empty() ? "" : ", ") + failure;
      break;
    case ResultFormat::kTable:
      for (const std::vector<std::string>& cells : result.cells) {
        std::vector<std::string> row{index};
        row.insert(row.end(), cells.begin(), cells.end());
        table_.add(std::move(row));
        has_cells_ = true;
      }
      break;
  }
  ++rows_;
}

void ResultWriter::flush() {
  if (!has_cells_) return;
  sink_(table_.text());
  table_ = io::Table(options_.columns);
  has_cells_ = false;
}

void ResultWriter::finish() {
  flush();
  if (options_.format == ResultFormat::kJson) sink_("\n], \"errors\": [" + errors_ + "]}\n");
}

}  // namespace linnet::tools
