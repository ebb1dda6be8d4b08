#include "tokenizer/added_tokens.h"

#include <algorithm>

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

// Finds the white space around matches. Runs are remembered: many matches may stand in one.
class WhiteSpace {
 public:
  explicit WhiteSpace(std::string_view text) : text_(text) {}

  // Where the white space that ends at `at` begins, at or behind `from`.
  std::int64_t begin_before(std::int64_t at, std::int64_t from) const {
    while (at > from) {
      const std::int64_t before = utf8::previous(text_, at);
      if (before < from || !has_class(text_, before, unicode::kWhitespace)) break;
      at = before;
    }
    return at;
  }

  // Where the white space that begins at `at` ends.
  std::int64_t end_behind(std::int64_t at) {
    if (run_begin_ <= at && at <= run_end_) return run_end_;
    run_begin_ = run_end_ = at;
    while (run_end_ < static_cast<std::int64_t>(text_.size()) &&
           has_class(text_, run_end_, unicode::kWhitespace)) {
      run_end_ += utf8::length_of(text_[static_cast<std::size_t>(run_end_)]);
    }
    return run_end_;
  }

 private:
  std::string_view text_;
  std::int64_t run_begin_ = 0;
  std::int64_t run_end_ = -1;
};

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
  WhiteSpace space(text);
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
    if (token.lstrip) match.begin = std::max(taken, space.begin_before(match.begin, taken));
    if (token.rstrip) match.end = space.end_behind(match.end);
    if (match.begin >= match.end) continue;  // the match before took all of it in
    taken = match.end;
    matches.push_back(match);
  }
}

}  // namespace linnet::tokenizer
