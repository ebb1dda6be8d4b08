// vocab.txt: tokens by line, and the settings that BERT's own code has.
#include <algorithm>
#include <string>

#include "tokenizer/load.h"
#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"
#include "weights/base/error.h"

namespace linnet::tokenizer {
namespace {

std::string_view without_trailing_space(std::string_view line) {
  while (!line.empty()) {
    const std::int64_t last = utf8::previous(line, static_cast<std::int64_t>(line.size()));
    if ((unicode::table().classes(utf8::decode(line, last)) & unicode::kWhitespace) == 0) break;
    line = line.substr(0, static_cast<std::size_t>(last));
  }
  return line;
}

[[noreturn]] void fail(ErrorCode code, std::int64_t line, const std::string& message) {
  throw Error(code, "vocab.txt:" + std::to_string(line + 1) + ": " + message);
}

}  // namespace

Vocabulary parse_vocab_txt(std::string_view text, const LoadOptions& options) {
  const auto bytes = static_cast<std::int64_t>(text.size());
  if (bytes > json::kTokenizerBytes) {
    throw Error(ErrorCode::kLimit, "vocab.txt: has " + std::to_string(bytes) +
                                       " bytes, expected at most " +
                                       std::to_string(json::kTokenizerBytes));
  }
  Vocabulary vocabulary;
  vocabulary.reserve(std::count(text.begin(), text.end(), '\n') + 1, bytes);
  const auto duplicates =
      options.lenient ? Vocabulary::Duplicates::kLastWins : Vocabulary::Duplicates::kRefuse;
  std::int32_t id = 0;
  for (std::size_t at = 0; at < text.size(); ++id) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    if (id > kMaxId) {
      fail(ErrorCode::kLimit, id, "expected at most " + std::to_string(kMaxId + 1) + " tokens");
    }
    if (utf8::valid_prefix(line) != static_cast<std::int64_t>(line.size())) {
      fail(ErrorCode::kFormat, id, "not UTF-8");
    }
    try {
      vocabulary.add(without_trailing_space(line), id, duplicates);
    } catch (const Error& e) {
      fail(e.code(), id, e.what());
    }
    at = end + 1;
  }
  return vocabulary;
}

PostProcessor bert_template(const TemplatePiece& cls, const TemplatePiece& sep) {
  using Kind = TemplatePiece::Kind;
  TemplatePiece second_sep = sep;
  second_sep.type_id = 1;
  const TemplatePiece first{Kind::kFirst, 0, {}, {}};
  const TemplatePiece second{Kind::kSecond, 1, {}, {}};
  return {{cls, first, sep}, {cls, first, sep, second, second_sep}};
}

}  // namespace linnet::tokenizer
