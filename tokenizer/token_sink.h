#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/encoding.h"
#include "tokenizer/vocabulary.h"

namespace linnet::tokenizer {

/// The tokens of one text, before truncation and specials. Ranges are bytes of that text.
struct Tokens {
  std::vector<std::int32_t> ids;
  std::vector<Span> spans;
  std::vector<std::int32_t> words;
  std::vector<std::string> texts;  // only when asked for

  void clear() {
    ids.clear();
    spans.clear();
    words.clear();
    texts.clear();
  }
};

/// Where a scanner puts everything it finds. `word` and `piece` belong together: pieces of one
/// word, then end_word.
class TokenSink {
 public:
  static constexpr bool kSpans = true;
  /// `texts`: the vocabulary that spells the tokens out, or null if they are not asked for.
  TokenSink(Tokens& tokens, const Vocabulary* texts) : tokens_(tokens), texts_(texts) {}

  bool full() const { return false; }
  void piece(std::int32_t id, Span span) {
    tokens_.ids.push_back(id);
    tokens_.spans.push_back(span);
    tokens_.words.push_back(word_);
    if (texts_ != nullptr) tokens_.texts.emplace_back(*texts_->token(id));
  }
  void end_word() { ++word_; }
  void added(std::int32_t id, Span span, std::string_view matched) {
    tokens_.ids.push_back(id);
    tokens_.spans.push_back(span);
    tokens_.words.push_back(word_++);
    if (texts_ != nullptr) tokens_.texts.emplace_back(matched);
  }

 private:
  Tokens& tokens_;
  const Vocabulary* texts_;
  std::int32_t word_ = 0;
};

/// Where a scanner puts ids alone; it stops soon after `limit` of them.
class IdSink {
 public:
  static constexpr bool kSpans = false;
  IdSink(std::vector<std::int32_t>& ids, std::size_t limit) : ids_(ids), limit_(limit) {}

  bool full() const { return ids_.size() >= limit_; }
  void piece(std::int32_t id, Span) { ids_.push_back(id); }
  void end_word() {}
  void added(std::int32_t id, Span, std::string_view) { ids_.push_back(id); }

 private:
  std::vector<std::int32_t>& ids_;
  std::size_t limit_;
};

}  // namespace linnet::tokenizer
