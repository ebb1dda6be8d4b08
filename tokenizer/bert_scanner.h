#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/normalizer.h"
#include "tokenizer/token_sink.h"
#include "tokenizer/wordpiece.h"

namespace linnet::tokenizer {

/// Text to WordPiece tokens: BertNormalizer, BertPreTokenizer (white space separates and is
/// dropped, every punctuation character is a word of its own) and WordPiece in one pass. Words of
/// plain ASCII never leave the fast path; a stretch between ASCII separators that holds anything
/// else goes through the stages one by one. Both give the same tokens: separators are starters that
/// nothing composes or reorders with, so what stands between them can be normalized by itself.
class BertScanner {
 public:
  enum class PreTokenizer { kNone, kBert };

  struct Scratch {
    BertNormalizer::Scratch normalizer;
    std::vector<NormChar> chars;
    std::string word;
    std::vector<Piece> pieces;
  };

  /// The parts must outlive it.
  BertScanner(const WordPiece& model, const BertNormalizer& normalizer, PreTokenizer pre_tokenizer);

  /// Tokens of text[begin, end), valid UTF-8 without added tokens. Sink is TokenSink or IdSink.
  template <class Sink>
  void scan(std::string_view text, std::int64_t begin, std::int64_t end, Scratch& scratch,
            Sink& sink) const;

  /// Tokens of characters that are normalized already.
  template <class Sink>
  void words(std::span<const NormChar> chars, Scratch& scratch, Sink& sink) const;

  const BertNormalizer& normalizer() const { return *normalizer_; }

 private:
  template <class Sink>
  std::int64_t long_or_mixed(std::string_view text, std::int64_t at, std::int64_t end,
                             Scratch& scratch, Sink& sink) const;
  template <class Sink>
  void ascii_word(std::string_view text, std::int64_t begin, std::int64_t end, Scratch& scratch,
                  Sink& sink) const;
  template <class Sink>
  void word(std::span<const NormChar> chars, Scratch& scratch, Sink& sink) const;

  const WordPiece* model_;
  const BertNormalizer* normalizer_;
  PreTokenizer pre_tokenizer_;
  std::int64_t short_bytes_;  // words of up to so many bytes are looked up whole first
  std::array<std::int32_t, 128> punctuation_{};  // the id of each ASCII mark
};

}  // namespace linnet::tokenizer
