#include "tools/io/text_source.h"

#include <unistd.h>

#include <utility>

#include "tools/cli/exit_code.h"
#include "tools/cli/signals.h"
#include "weights/base/utf8.h"

namespace linnet::io {

TextSource::TextSource(std::vector<std::string> texts) : texts_(std::move(texts)) {}

TextSource::TextSource(const std::string& path, RecordOptions options)
    : stream_(std::make_unique<InputStream>(path)) {
  InputStream* stream = stream_.get();
  reader_.emplace([stream](char* to, std::size_t bytes) { return stream->read(to, bytes); },
                  stream->name(), std::move(options));
}

bool TextSource::next(Record& record) {
  cli::check_interrupt();
  if (reader_) return reader_->next(record);
  if (next_ == texts_.size()) return false;
  record.error.clear();
  record.index = static_cast<std::int64_t>(next_);
  record.line = record.index + 1;
  record.fields.assign(1, std::move(texts_[next_++]));
  return true;
}

double TextSource::fraction() const {
  if (stream_ != nullptr) return stream_->fraction();
  return texts_.empty() ? -1 : static_cast<double>(next_) / static_cast<double>(texts_.size());
}

std::string TextSource::place(const Record& record) const {
  if (!reader_) return "text " + std::to_string(record.line);
  return stream_->name() + ": line " + std::to_string(record.line);
}

TextSource open_texts(const std::vector<std::string>& words, const TextOptions& options) {
  if (!options.input.empty()) {
    if (!words.empty()) throw cli::UsageError("give texts as arguments or by --input, not both");
    return TextSource(options.input, options.records);
  }
  if (!words.empty()) return TextSource(words);
  if (::isatty(STDIN_FILENO) != 0) {
    throw cli::UsageError("no text: give it as arguments, by --input FILE, or on standard input");
  }
  return TextSource("-", options.records);
}

}  // namespace linnet::io
