#include "tokenizer/added_tokens.h"

#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"
#include "weights/base/error.h"

namespace linnet::tokenizer {
namespace {

bool has_class(std::string_view text, std::int64_t at, unicode::Class bit) {
  return (unicode::table().classes(utf8::decode(text, at)) & bit) != 0;
}

bool stands_alone(std::string_view text, std::int64_t begin, std::int64_t end) {
  if (begin > 0 && has_class(text, utf8::previous(text, begin), unicode::kWord)) return false;
  return end == static_cast<std::int64_t>(text.size()) || !has_class(text, end, unicode::kWord);
}

// The match with the white space it takes in, on the left not beyond `from`.
void take_space(std::string_view text, std::int64_t from, const AddedToken& token, AddedMatch& m) {
  const auto size = static_cast<std::int64_t>(text.size());
  while (token.lstrip && m.begin > from) {
    const std::int64_t before = utf8::previous(text, m.begin);
    if (before < from || !has_class(text, before, unicode::kWhitespace)) break;
    m.begin = before;
  }
  while (token.rstrip && m.end < size && has_class(text, m.end, unicode::kWhitespace)) {
    m.end += utf8::length_of(text[static_cast<std::size_t>(m.end)]);
  }
}

}  // namespace

void AddedMatcher::insert(std::string_view content, std::int32_t token) {
  if (content.empty() || trie_.get(content) != Trie::kNoValue) return;
  if (static_cast<std::int64_t>(content.size()) > kMaxContentBytes) {
    throw Error(ErrorCode::kLimit, "added_tokens: a content of " + std::to_string(content.size()) +
                                       " bytes, expected at most " +
                                       std::to_string(kMaxContentBytes));
  }
  trie_.insert(content, token);
  bool& first = is_first_[static_cast<unsigned char>(content[0])];
  if (!first) first_bytes_.push_back(content[0]);
  first = true;
}

// The first byte at or behind `from` that a content may begin with, or text.size().
std::size_t AddedMatcher::candidate(std::string_view text, std::size_t from) const {
  if (first_bytes_.size() == 1) {
    const std::size_t at = text.find(first_bytes_[0], from);
    return at == std::string_view::npos ? text.size() : at;
  }
  while (from < text.size() && !is_first_[static_cast<unsigned char>(text[from])]) ++from;
  return from;
}

void AddedMatcher::find(std::string_view text, std::span<const AddedToken> tokens,
                        bool parse_special, std::vector<AddedMatch>& matches) const {
  matches.clear();
  if (empty()) return;
  std::int64_t taken = 0;  // the end of the last match
  for (std::size_t at = candidate(text, 0); at < text.size(); at = candidate(text, at)) {
    AddedMatch match{Trie::kNoValue, static_cast<std::int64_t>(at), 0};
    Trie::Step step{Trie::kRoot, false};
    for (std::size_t end = at; end < text.size();) {
      step = trie_.step(step.node, text[end++]);
      if (step.node == Trie::kNone) break;
      if (step.has_value) {
        match.token = trie_.value(step.node);
        match.end = static_cast<std::int64_t>(end);
      }
    }
    if (match.token == Trie::kNoValue) {
      ++at;
      continue;
    }
    at = static_cast<std::size_t>(match.end);
    const AddedToken& token = tokens[static_cast<std::size_t>(match.token)];
    if (token.special && !parse_special) continue;
    if (token.single_word && !stands_alone(text, match.begin, match.end)) continue;
    if (match.begin < taken) continue;
    take_space(text, taken, token, match);
    taken = match.end;
    matches.push_back(match);
  }
}

}  // namespace linnet::tokenizer
