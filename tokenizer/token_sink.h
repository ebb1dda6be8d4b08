#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/encoding.h"
#include "tokenizer/vocabulary.h"

namespace linnet::tokenizer {

/// White-space characters at the ends of a token, in GPT-2's alphabet or as they are.
struct Blanks {
  std::int32_t leading, trailing;
};
Blanks blanks_of(std::string_view token);

/// What encode wants besides ids, spans and words.
struct SinkOptions {
  bool texts = false;   ///< the tokens spelled out
  bool blanks = false;  ///< what trimming needs
};

/// The tokens of one text, before truncation and specials. Ranges are bytes of that text.
struct Tokens {
  std::vector<std::int32_t> ids;
  std::vector<Span> spans;
  std::vector<std::int32_t> words;
  std::vector<std::string> texts;  // only when asked for
  std::vector<Blanks> blanks;      // only when offsets get trimmed, as the next
  std::vector<Span> first_spans;   // what each would have as the first token of a window

  void clear() {
    ids.clear();
    spans.clear();
    words.clear();
    texts.clear();
    blanks.clear();
    first_spans.clear();
  }
};

/// Where a scanner puts everything it finds. `word` and `piece` belong together: pieces of one
/// word, then end_word.
class TokenSink {
 public:
  static constexpr bool kSpans = true;
  /// All must outlive it.
  TokenSink(Tokens& tokens, const Vocabulary& vocabulary, SinkOptions options)
      : tokens_(tokens), vocabulary_(vocabulary), options_(options) {}

  bool full() const { return false; }
  void piece(std::int32_t id, Span span) {
    tokens_.ids.push_back(id);
    tokens_.spans.push_back(span);
    tokens_.words.push_back(word_);
    if (options_.texts || options_.blanks) spell(*vocabulary_.token(id));
  }
  void end_word() { ++word_; }
  void added(std::int32_t id, Span span, std::string_view matched) {
    tokens_.ids.push_back(id);
    tokens_.spans.push_back(span);
    tokens_.words.push_back(word_++);
    spell(matched);
  }

 private:
  void spell(std::string_view token) {
    if (options_.texts) tokens_.texts.emplace_back(token);
    if (options_.blanks) tokens_.blanks.push_back(blanks_of(token));
  }

  Tokens& tokens_;
  const Vocabulary& vocabulary_;
  SinkOptions options_;
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
