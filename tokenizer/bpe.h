#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenizer/merge_table.h"
#include "tokenizer/vocabulary.h"
#include "tokenizer/wordpiece.h"

namespace linnet::tokenizer {

/// Byte-pair encoding: a word begins as its characters; the neighbours whose merge has the lowest
/// rank become one symbol, the leftmost of equal ones first, until no neighbours can merge.
/// Source: Sennrich, Haddow and Birch 2016 (arXiv 1508.07909); Radford et al. 2019 for bytes.
class Bpe {
 public:
  struct Settings {
    bool byte_level = false;  ///< characters are the bytes of the text, written as in byte_level.h
    std::string unk_token{};  ///< for a character without a token; empty: it is dropped
    bool fuse_unk = false;    ///< neighbouring unknown characters become one token
    bool byte_fallback = false;  ///< an unknown character becomes tokens like <0x0A>, if all exist
    bool ignore_merges = false;  ///< a word that is a token is that token, whatever the merges say
    std::string continuing_subword_prefix{};
    std::string end_of_word_suffix{};
  };
  /// Two tokens that merge, in the order of their rank.
  using Merge = std::pair<std::string, std::string>;

  /// The vocabulary must outlive it. Throws Error (kFormat) if it lacks the unknown token, a part
  /// of a merge or its result.
  Bpe(const Vocabulary& vocabulary, Settings settings, std::span<const Merge> merges);

  struct Symbol {
    std::int32_t id;
    std::int32_t end;       // in the bytes of the word
    std::int32_t previous;  // neighbours, as indices; -1 at the ends of the word
    std::int32_t next;
  };
  struct Candidate {
    std::uint32_t rank;
    std::int32_t left;     // index of the left symbol
    std::int32_t left_id;  // what the two were when this was found: older finds are stale
    std::int32_t right_id;
    std::int32_t merged_id;
  };
  struct Scratch {
    std::vector<Symbol> symbols;
    std::vector<Candidate> heap;
    std::vector<MergeTable::Merge> merges;  // of each symbol with the next one
    std::string text;
  };

  /// Splits a word of at least one byte: the bytes of the text, not their characters.
  void split(std::string_view word, Scratch& scratch, std::vector<Piece>& pieces) const;

  /// The id of a word of up to 12 bytes that is one token, or TokenIndex::kNoValue where it is none
  /// or that is not known yet.
  std::int32_t whole(TokenIndex::Key key) const {
    const std::int32_t id = words_.find(key);
    return id >= 0 && whole_[static_cast<std::size_t>(id)].load(std::memory_order_relaxed) == kWhole
               ? id
               : TokenIndex::kNoValue;
  }

  const Settings& settings() const { return settings_; }

 private:
  enum Whole : std::uint8_t { kUnknown, kWhole, kSplit };

  void symbols_of_bytes(std::string_view word, Scratch& scratch) const;
  void symbols_of_text(std::string_view word, Scratch& scratch) const;
  void merge_short(Scratch& scratch) const;
  void merge_long(Scratch& scratch) const;
  void push_candidate(std::int32_t left, Scratch& scratch) const;

  const Vocabulary* vocabulary_;
  Settings settings_;
  std::int32_t unk_id_ = TokenIndex::kNoValue;
  MergeTable merges_;
  TokenIndex words_;                         // tokens by the bytes of the text they stand for
  std::array<std::int32_t, 256> byte_id_{};  // the token of a byte; kNoValue if there is none
  bool plain_bytes_ = false;                 // every byte has a token: nothing is ever unknown
  // Whether the merges make a token of its own bytes: found out when it is first met.
  std::unique_ptr<std::atomic<std::uint8_t>[]> whole_;
};

}  // namespace linnet::tokenizer
