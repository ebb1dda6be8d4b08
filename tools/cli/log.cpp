#include "tools/cli/log.h"

#include <unistd.h>

#include <string>

#include "weights/base/json_writer.h"

namespace linnet::cli {

void Log::line(std::string_view level, std::string_view message) const {
  std::string text;
  if (format_ == LogFormat::kJson) {
    json::Writer writer;
    writer.begin_object().key("level").string(level).key("message").string(message).end_object();
    text = std::move(writer).text();
  } else {
    text = std::string(level) + ": " + std::string(message);
  }
  text += '\n';
  if (::write(STDERR_FILENO, text.data(), text.size()) < 0) return;
}

}  // namespace linnet::cli
