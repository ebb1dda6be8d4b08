#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "tokenizer/added_tokens.h"
#include "tokenizer/bert_scanner.h"
#include "tokenizer/bpe.h"
#include "tokenizer/byte_level_scanner.h"
#include "tokenizer/decoder.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/post_processor.h"
#include "tokenizer/token_sink.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/vocabulary.h"
#include "tokenizer/wordpiece.h"

namespace linnet::tokenizer {

/// The stages as a file describes them, before they are put together.
struct Description {
  Vocabulary vocabulary;
  std::vector<AddedToken> added;
  Trie added_index;                    // content -> index into added
  std::int64_t largest_added_id = -1;  // of added
  enum class Family { kWordPiece, kBpe };
  Family family = Family::kWordPiece;
  BertNormalizer normalizer;  // of WordPiece, as are the two below
  BertScanner::PreTokenizer pre_tokenizer = BertScanner::PreTokenizer::kNone;
  WordPiece::Settings word_piece;
  ByteLevelScanner::Settings byte_level;  // of BPE, as are the two below
  Bpe::Settings bpe;
  std::vector<Bpe::Merge> merges;
  PostProcessor post_processor;
  Decoder decoder;
  SpecialIds special_ids;
  Facts facts;
};

/// What a tokenizer is made of: the description and what is derived from it.
struct Tokenizer::Parts {
  explicit Parts(Description description);
  Parts(const Parts&) = delete;
  Parts& operator=(const Parts&) = delete;

  /// Tokens of a valid UTF-8 text, without specials around it.
  template <class Sink>
  void tokenize(std::string_view text, bool parse_special, Scratch::Buffers& scratch,
                Sink& sink) const;
  /// The added token of an id, or null.
  const AddedToken* added(std::int32_t id) const;

  Description d;
  std::optional<WordPiece> word_piece;  // those of the family are there
  std::optional<BertScanner> bert_scanner;
  std::optional<Bpe> bpe;
  std::optional<ByteLevelScanner> byte_level_scanner;
  AddedMatcher raw;                       // added tokens that are matched on the text itself
  AddedMatcher normalized;                // and those that are matched after normalization
  std::vector<std::int32_t> added_by_id;  // indices into d.added, ascending ids
  std::int64_t size = 0;                  // tokens, added ones included
  std::int64_t id_limit = 0;              // 1 + the largest id

 private:
  template <class Sink>
  void segment(std::string_view text, std::int64_t begin, std::int64_t end, bool parse_special,
               Scratch::Buffers& scratch, Sink& sink) const;
  template <class Sink>
  void byte_level_segment(std::string_view text, std::int64_t begin, std::int64_t end,
                          bool parse_special, Scratch::Buffers& scratch, Sink& sink) const;
};

/// Everything that encode needs room for.
struct Scratch::Buffers {
  BertScanner::Scratch scanner;
  ByteLevelScanner::Scratch byte_level;
  std::vector<NormChar> chars;  // of a segment, where added tokens are matched after normalization
  std::string normalized;       // the same as UTF-8
  std::vector<AddedMatch> raw_matches;
  std::vector<AddedMatch> normalized_matches;
  Tokens first;
  Tokens second;
  std::vector<std::int32_t> ids;  // of one text of a pair
};

}  // namespace linnet::tokenizer
