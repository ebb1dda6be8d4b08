#include "tools/train/tagged_words.h"

#include "tools/io/input_stream.h"
#include "weights/base/error.h"
#include "weights/base/text.h"
#include "weights/base/utf8.h"

namespace linnet::tools {
namespace {

[[noreturn]] void fail(const std::string& path, std::int64_t line, const std::string& what) {
  throw Error(ErrorCode::kFormat, path + ": line " + std::to_string(line) + ": " + what);
}

std::vector<std::string_view> columns_of(std::string_view line) {
  constexpr std::string_view kSpace = " \t\r";
  std::vector<std::string_view> columns;
  for (std::size_t at = 0; (at = line.find_first_not_of(kSpace, at)) != line.npos;) {
    const std::size_t end = std::min(line.find_first_of(kSpace, at), line.size());
    columns.push_back(line.substr(at, end - at));
    at = end;
  }
  return columns;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t n = utf8_length(text);
    if (n == 0) return false;
    text.remove_prefix(n);
  }
  return true;
}

void read_conll(const ReadBytes& read, std::int64_t max_sentences, TaggedWords& all) {
  LineReader lines(read, all.file);
  TaggedSentence sentence;
  std::size_t expected = 0;
  const auto end_sentence = [&] {
    if (!sentence.words.empty()) all.sentences.push_back(std::move(sentence));
    sentence = {};
  };
  std::string_view line;
  while (static_cast<std::int64_t>(all.sentences.size()) < max_sentences) {
    const LineReader::Next next = lines.next(line);
    if (next == LineReader::Next::kEnd) return end_sentence();
    if (next == LineReader::Next::kTooLong) fail(all.file, lines.number(), "is too long");
    const std::vector<std::string_view> columns = columns_of(line);
    if (columns.empty() || columns[0] == "-DOCSTART-") {
      end_sentence();
      continue;
    }
    if (expected == 0) expected = columns.size();
    if (columns.size() != expected || expected < 2) {
      fail(all.file, lines.number(),
           "found " + std::to_string(columns.size()) + " columns, expected " +
               (expected < 2 ? "a word and its tag" : std::to_string(expected)));
    }
    if (!is_utf8(line)) fail(all.file, lines.number(), "invalid UTF-8");
    if (sentence.words.empty()) sentence.line = lines.number();
    sentence.words.emplace_back(columns.front());
    sentence.tags.emplace_back(columns.back());
  }
}

std::vector<std::string> split_list(const std::string& text) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(kListSeparator, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

void read_objects(const ReadBytes& read, const LabelledColumns& columns, std::int64_t max_sentences,
                  TaggedWords& all) {
  RecordOptions options;
  options.format = RecordFormat::kJsonl;
  options.fields = {FieldRequest{columns.text, {"tokens", "words"}, true, true},
                    FieldRequest{columns.label, {"ner_tags", "tags", "labels"}, true, true}};
  RecordReader reader(read, all.file, std::move(options));
  Record record;
  while (static_cast<std::int64_t>(all.sentences.size()) < max_sentences && reader.next(record)) {
    if (!record.error.empty()) fail(all.file, record.line, record.error);
    TaggedSentence sentence{split_list(*record.fields[0]), split_list(*record.fields[1]),
                            record.line};
    if (sentence.words.size() != sentence.tags.size()) {
      fail(all.file, record.line,
           "found " + std::to_string(sentence.tags.size()) + " tags for " +
               std::to_string(sentence.words.size()) + " words");
    }
    if (!sentence.words.empty()) all.sentences.push_back(std::move(sentence));
  }
}

}  // namespace

TaggedWords read_tagged(const std::string& path, const LabelledColumns& columns,
                        std::int64_t max_sentences) {
  io::InputStream stream(path);
  const ReadBytes read = [&](char* to, std::size_t bytes) { return stream.read(to, bytes); };
  TaggedWords all;
  all.file = path;
  if (path.ends_with(".json") || record_format_of(path) == RecordFormat::kJsonl) {
    read_objects(read, columns, max_sentences, all);
  } else {
    read_conll(read, max_sentences, all);
  }
  if (all.sentences.empty()) throw Error(ErrorCode::kFormat, path + ": has no sentence");
  return all;
}

}  // namespace linnet::tools
