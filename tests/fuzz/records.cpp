// Any bytes as .txt, .jsonl, .csv and .tsv: no crash, memory within the limit of a line, and what
// is read does not depend on where the blocks of the stream end.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "engine/tasks/record_reader.h"
#include "weights/base/error.h"

namespace {

using linnet::Record;
using linnet::RecordFormat;

std::string read_all(const std::string& content, RecordFormat format, std::size_t step) {
  std::size_t at = 0;
  const auto read = [&](char* to, std::size_t bytes) {
    const std::size_t n = std::min({bytes, step, content.size() - at});
    content.copy(to, n, at);
    at += n;
    return n;
  };
  std::string out;
  try {
    linnet::RecordReader reader(read, "fuzz",
                                {.format = format,
                                 .fields = {linnet::text_field(), {"b", {}, false}},
                                 .max_line_bytes = 1000});
    for (Record record; reader.next(record);) {
      out += std::to_string(record.index) + " " + std::to_string(record.line) + record.error;
      for (const auto& field : record.fields) out += field ? "|" + *field : "-";
    }
  } catch (const linnet::Error& error) {
    out += error.what();
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string content(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto format = static_cast<RecordFormat>(data[0] % 4);
  const std::size_t step = 1 + data[0] / 4;
  if (read_all(content, format, step) != read_all(content, format, std::size_t{1} << 20)) {
    std::abort();
  }
  return 0;
}
