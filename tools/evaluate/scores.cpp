#include "tools/evaluate/scores.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "tools/io/table.h"
#include "weights/base/json_writer.h"

namespace linnet::tools {
namespace {

std::string rounded(double value) {
  if (!std::isfinite(value)) return "undefined";
  char text[32];
  const auto end =
      std::to_chars(text, text + sizeof(text), value, std::chars_format::general, 6).ptr;
  return std::string(text, end);
}

}  // namespace

const Scores::Entry* Scores::find(std::string_view name) const {
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& entry) { return entry.name == name; });
  return found == entries_.end() ? nullptr : &*found;
}

std::string Scores::json() const {
  json::Writer out;
  out.begin_object().key("schema").string("linnet.evaluate.1").key("task").string(task_);
  for (const Entry& entry : entries_) {
    out.key(entry.name);
    if (entry.is_count) {
      out.integer(static_cast<std::int64_t>(entry.value));
    } else {
      out.float64(entry.value);
    }
  }
  return std::move(out.end_object()).text() + "\n";
}

std::string Scores::table() const {
  io::Table table({{"score"}, {"value", io::Table::Align::kRight}});
  for (const Entry& entry : entries_) {
    table.add({entry.name, entry.is_count ? std::to_string(static_cast<std::int64_t>(entry.value))
                                          : rounded(entry.value)});
  }
  return table.text();
}

}  // namespace linnet::tools
