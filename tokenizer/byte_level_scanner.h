#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/bpe.h"
#include "tokenizer/token_sink.h"

namespace linnet::tokenizer {

/// Text to BPE tokens: GPT-2's pre-tokenizer over bytes, then BPE on every word. Its definition is
/// the regular expression of openai/gpt-2, encoder.py,
///   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
/// read from the left, the first alternative that matches; here a scanner without a regex engine.
class ByteLevelScanner {
 public:
  struct Settings {
    bool use_regex = false;         ///< split into words; else a segment is one word
    bool add_prefix_space = false;  ///< one space before every segment that begins with none
  };
  struct Scratch {
    Bpe::Scratch bpe;
    std::vector<Piece> pieces;
    std::string prefixed;  // the segment with a space in front
  };

  /// The model must outlive it.
  ByteLevelScanner(const Bpe& model, Settings settings) : model_(&model), settings_(settings) {}

  /// Tokens of text[begin, end), valid UTF-8 without added tokens. Sink is TokenSink or IdSink. The
  /// span of a token covers every character that one of its bytes belongs to; an added space has
  /// the span of the character behind it.
  template <class Sink>
  void scan(std::string_view text, std::int64_t begin, std::int64_t end, Scratch& scratch,
            Sink& sink) const;

  /// Where the word that begins at `at` of a segment of valid UTF-8 ends.
  static std::int64_t word_end(std::string_view segment, std::int64_t at);

 private:
  template <class Sink>
  void word(std::string_view segment, std::int64_t begin, std::int64_t end, std::int64_t source,
            std::int64_t added, Scratch& scratch, Sink& sink) const;

  const Bpe* model_;
  Settings settings_;
};

}  // namespace linnet::tokenizer
