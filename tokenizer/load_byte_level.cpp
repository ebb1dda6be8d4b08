// vocab.json and merges.txt: GPT-2 and RoBERTa, with the settings that their own code has.
#include <algorithm>
#include <string>
#include <utility>

#include "tokenizer/load.h"
#include "tokenizer/utf8.h"
#include "weights/base/error.h"
#include "weights/base/text.h"

namespace linnet::tokenizer {
namespace {

constexpr std::string_view kEndOfText = "<|endoftext|>";

[[noreturn]] void fail(std::int64_t line, const std::string& message) {
  throw Error(ErrorCode::kFormat, "merges.txt:" + std::to_string(line) + ": " + message);
}

// Two tokens a line with one space between; the order is the rank.
std::vector<Bpe::Merge> parse_merges(std::string_view text) {
  std::vector<Bpe::Merge> merges;
  merges.reserve(static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) + 1);
  std::int64_t number = 1;
  for (std::size_t at = 0; at < text.size(); ++number) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = text.substr(at, end - at);
    at = end + 1;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.starts_with("#version")) continue;
    if (line.empty() && at >= text.size()) break;
    if (utf8::valid_prefix(line) != static_cast<std::int64_t>(line.size())) {
      fail(number, "not UTF-8");
    }
    const std::size_t space = line.find(' ');
    if (space == line.npos || line.find(' ', space + 1) != line.npos) {
      fail(number, "found " + quote(line) + ", expected two tokens with a space between");
    }
    merges.emplace_back(line.substr(0, space), line.substr(space + 1));
  }
  return merges;
}

bool is_roberta(const Description& d) { return id_of(d, "<s>") && id_of(d, "</s>"); }

void add_special(std::string_view content, bool lstrip, const LoadOptions& options,
                 Description& d) {
  const auto id = id_of(d, content);
  if (!id) return;
  AddedToken token;
  token.id = *id;
  token.content = content;
  token.lstrip = lstrip;
  token.special = true;
  add_token(std::move(token), options, d);
}

TemplatePiece special(const Description& d, std::string_view content) {
  return {TemplatePiece::Kind::kSpecial, 0, {*id_of(d, content)}, {std::string(content)}};
}

}  // namespace

Description describe_byte_level(std::string_view vocab_json, std::string_view merges_txt,
                                const LoadOptions& options) {
  if (static_cast<std::int64_t>(merges_txt.size()) > json::kTokenizerBytes) {
    throw Error(ErrorCode::kLimit, "merges.txt: has " + std::to_string(merges_txt.size()) +
                                       " bytes, expected at most " +
                                       std::to_string(json::kTokenizerBytes));
  }
  const json::Document document = json::parse(vocab_json, "vocab.json", json::kTokenizerBytes);
  Description d;
  d.family = Description::Family::kBpe;
  d.facts.model = "BPE";
  read_vocabulary(document.root(), options, d.vocabulary);
  d.merges = parse_merges(merges_txt);
  d.bpe.byte_level = true;
  d.byte_level.use_regex = true;
  d.decoder.kind = Decoder::Kind::kByteLevel;
  return d;
}

void finish_byte_level(const LoadOptions& options, Description& d) {
  if (is_roberta(d)) {
    for (const char* content : {"<s>", "<pad>", "</s>", "<unk>"}) {
      add_special(content, false, options, d);
    }
    add_special("<mask>", true, options, d);
    d.post_processor = roberta_template(special(d, "<s>"), special(d, "</s>"));
    d.post_processor.trim = TrimOffsets{d.byte_level.add_prefix_space};
  } else {
    add_special(kEndOfText, false, options, d);
  }
  find_special_ids(d);
}

PostProcessor roberta_template(const TemplatePiece& cls, const TemplatePiece& sep) {
  using Kind = TemplatePiece::Kind;
  const TemplatePiece first{Kind::kFirst, 0, {}, {}};
  const TemplatePiece second{Kind::kSecond, 0, {}, {}};
  return {{cls, first, sep}, {cls, first, sep, sep, second, sep}};
}

}  // namespace linnet::tokenizer
