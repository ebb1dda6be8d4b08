#include "tokenizer/bpe.h"

#include <algorithm>
#include <cstdio>

#include "tokenizer/byte_level.h"
#include "tokenizer/utf8.h"
#include "weights/base/error.h"
#include "weights/base/text.h"

namespace linnet::tokenizer {
namespace {

// Up to so many symbols all neighbours are looked at for every merge; beyond, a heap pays.
constexpr std::size_t kShortSymbols = 24;

// Of a heap that gives the lowest rank first, then the leftmost.
bool later(const Bpe::Candidate& a, const Bpe::Candidate& b) {
  return a.rank != b.rank ? a.rank > b.rank : a.left > b.left;
}

std::int32_t known(const Vocabulary& vocabulary, const std::string& token, std::size_t line) {
  const auto id = vocabulary.id(token);
  if (!id) {
    throw Error(ErrorCode::kFormat, "merges: number " + std::to_string(line + 1) + ": the token " +
                                        quote(token) + " is not in the vocabulary");
  }
  return *id;
}

std::string byte_token(char byte) {
  char text[8];
  std::snprintf(text, sizeof text, "<0x%02X>",
                static_cast<unsigned>(static_cast<std::uint8_t>(byte)));
  return text;
}

}  // namespace

Bpe::Bpe(const Vocabulary& vocabulary, Settings settings, std::span<const Merge> merges)
    : vocabulary_(&vocabulary), settings_(std::move(settings)) {
  if (!settings_.unk_token.empty()) {
    const auto unk = vocabulary.id(settings_.unk_token);
    if (!unk) {
      throw Error(ErrorCode::kFormat, "vocabulary: the unknown token is missing, expected " +
                                          quote(settings_.unk_token));
    }
    unk_id_ = *unk;
  }
  merges_.reset(merges.size());
  const std::size_t prefix = settings_.continuing_subword_prefix.size();
  for (std::size_t rank = 0; rank < merges.size(); ++rank) {
    const auto& [left, right] = merges[rank];
    const std::int32_t left_id = known(vocabulary, left, rank);
    const std::int32_t right_id = known(vocabulary, right, rank);
    const std::string merged = left + right.substr(std::min(prefix, right.size()));
    const std::int32_t id = known(vocabulary, merged, rank);
    if (!merges_.set(left_id, right_id, {static_cast<std::uint32_t>(rank), id})) {
      throw Error(ErrorCode::kLimit, "merges: the ids collide too often to be looked up");
    }
  }

  whole_ = std::make_unique<std::atomic<std::uint8_t>[]>(
      static_cast<std::size_t>(vocabulary.id_limit()));
  words_.reserve(vocabulary.size());
  for (std::int32_t id = 0; id < vocabulary.id_limit(); ++id) {
    const auto token = vocabulary.token(id);
    if (!token || token->empty() || vocabulary.id(*token) != id) continue;
    if (settings_.byte_level) {
      if (const auto bytes = byte_level::decode(*token)) words_.insert(*bytes, id);
    } else {
      words_.insert(*token, id);
    }
    if (settings_.ignore_merges) whole_[static_cast<std::size_t>(id)] = kWhole;
  }
  plain_bytes_ = settings_.byte_level && settings_.continuing_subword_prefix.empty() &&
                 settings_.end_of_word_suffix.empty();
  for (std::size_t byte = 0; byte < 256; ++byte) {
    const std::string text(1, static_cast<char>(byte));
    const auto id = vocabulary.id(byte_level::encode(text));
    byte_id_[byte] = id.value_or(TokenIndex::kNoValue);
    plain_bytes_ = plain_bytes_ && id.has_value();
  }
}

void Bpe::split(std::string_view word, Scratch& scratch, std::vector<Piece>& pieces) const {
  pieces.clear();
  const auto bytes = static_cast<std::int32_t>(word.size());
  const std::int32_t id = words_.get(word);
  std::atomic<std::uint8_t>* whole = id < 0 ? nullptr : &whole_[static_cast<std::size_t>(id)];
  if (whole != nullptr && whole->load(std::memory_order_relaxed) == kWhole) {
    pieces.push_back({id, bytes});
    return;
  }
  scratch.symbols.clear();
  if (plain_bytes_) {
    symbols_of_bytes(word, scratch);
  } else {
    symbols_of_text(word, scratch);
  }
  if (scratch.symbols.size() <= kShortSymbols) {
    merge_short(scratch);
    for (const Symbol& s : scratch.symbols) pieces.push_back({s.id, s.end});
  } else {
    merge_long(scratch);
    for (std::int32_t i = 0; i >= 0; i = scratch.symbols[static_cast<std::size_t>(i)].next) {
      const Symbol& s = scratch.symbols[static_cast<std::size_t>(i)];
      pieces.push_back({s.id, s.end});
    }
  }
  if (whole != nullptr) {
    const bool one = pieces.size() == 1 && pieces[0].id == id && pieces[0].end == bytes;
    whole->store(one ? kWhole : kSplit, std::memory_order_relaxed);
  }
}

void Bpe::symbols_of_bytes(std::string_view word, Scratch& scratch) const {
  std::int32_t end = 0;
  for (const char byte : word) {
    scratch.symbols.push_back({byte_id_[static_cast<std::uint8_t>(byte)], ++end, -1, -1});
  }
}

// Any vocabulary: characters may be unknown, and be marked as the first or the last of the word.
void Bpe::symbols_of_text(std::string_view word, Scratch& scratch) const {
  std::vector<Symbol>& symbols = scratch.symbols;
  std::int32_t unknown_end = 0;  // an unknown token that waits for its neighbours, if not 0
  const auto add = [&](std::int32_t id, std::int32_t end) { symbols.push_back({id, end, -1, -1}); };
  const auto flush_unknown = [&] {
    if (unknown_end > 0) add(unk_id_, std::exchange(unknown_end, 0));
  };
  std::string& text = scratch.text;
  for (std::size_t at = 0; at < word.size();) {
    const auto length =
        settings_.byte_level ? 1 : static_cast<std::size_t>(utf8::length_of(word[at]));
    const std::string_view character = word.substr(at, length);
    text.clear();
    if (at > 0) text += settings_.continuing_subword_prefix;
    if (settings_.byte_level) {
      utf8::append(text, byte_level::char_of(static_cast<std::uint8_t>(character[0])));
    } else {
      text += character;
    }
    at += length;
    if (at == word.size()) text += settings_.end_of_word_suffix;
    const auto end = static_cast<std::int32_t>(at);
    if (const auto id = vocabulary_->id(text)) {
      flush_unknown();
      add(*id, end);
      continue;
    }
    if (settings_.byte_fallback) {
      std::vector<std::int32_t> ids;
      for (const char byte : text) {
        if (const auto id = vocabulary_->id(byte_token(byte))) ids.push_back(*id);
      }
      if (ids.size() == text.size()) {
        flush_unknown();
        // A byte each; where marks were added there are more tokens than bytes.
        std::int32_t at_byte = end - static_cast<std::int32_t>(length);
        for (const std::int32_t id : ids) add(id, at_byte = std::min(at_byte + 1, end));
        continue;
      }
    }
    if (unk_id_ < 0) continue;
    if (!settings_.fuse_unk) flush_unknown();
    unknown_end = end;
  }
  flush_unknown();
}

// The lowest rank is looked for anew after every merge.
void Bpe::merge_short(Scratch& scratch) const {
  std::vector<Symbol>& symbols = scratch.symbols;
  std::vector<MergeTable::Merge>& merges = scratch.merges;
  const std::size_t n = symbols.size();
  if (n < 2) return;
  merges.resize(n - 1);
  for (std::size_t i = 0; i + 1 < n; ++i) {
    merges[i] = merges_.find(symbols[i].id, symbols[i + 1].id);
  }
  while (!merges.empty()) {
    std::size_t best = 0;
    for (std::size_t i = 1; i < merges.size(); ++i) {
      if (merges[i].rank < merges[best].rank) best = i;
    }
    if (merges[best].rank == MergeTable::kNoRank) return;
    const auto at = static_cast<std::ptrdiff_t>(best);
    symbols[best].id = merges[best].id;
    symbols[best].end = symbols[best + 1].end;
    symbols.erase(symbols.begin() + at + 1);
    merges.erase(merges.begin() + at);
    if (best > 0) merges[best - 1] = merges_.find(symbols[best - 1].id, symbols[best].id);
    if (best + 1 < symbols.size()) {
      merges[best] = merges_.find(symbols[best].id, symbols[best + 1].id);
    }
  }
}

void Bpe::push_candidate(std::int32_t left, Scratch& scratch) const {
  const Symbol& l = scratch.symbols[static_cast<std::size_t>(left)];
  if (l.next < 0) return;
  const Symbol& r = scratch.symbols[static_cast<std::size_t>(l.next)];
  const MergeTable::Merge merge = merges_.find(l.id, r.id);
  if (merge.rank == MergeTable::kNoRank) return;
  scratch.heap.push_back({merge.rank, left, l.id, r.id, merge.id});
  std::push_heap(scratch.heap.begin(), scratch.heap.end(), later);
}

// Linked symbols and a heap of what can merge; a find counts only if its two are as they were.
void Bpe::merge_long(Scratch& scratch) const {
  std::vector<Symbol>& symbols = scratch.symbols;
  const auto n = static_cast<std::int32_t>(symbols.size());
  scratch.heap.clear();
  for (std::int32_t i = 0; i < n; ++i) {
    Symbol& s = symbols[static_cast<std::size_t>(i)];
    s.previous = i - 1;
    s.next = i + 1 < n ? i + 1 : -1;
  }
  for (std::int32_t i = 0; i < n; ++i) push_candidate(i, scratch);
  constexpr std::int32_t kGone = -2;  // an id that no candidate has
  while (!scratch.heap.empty()) {
    std::pop_heap(scratch.heap.begin(), scratch.heap.end(), later);
    const Candidate best = scratch.heap.back();
    scratch.heap.pop_back();
    Symbol& left = symbols[static_cast<std::size_t>(best.left)];
    if (left.id != best.left_id || left.next < 0) continue;
    Symbol& right = symbols[static_cast<std::size_t>(left.next)];
    if (right.id != best.right_id) continue;
    left.id = best.merged_id;
    left.end = right.end;
    left.next = right.next;
    right.id = kGone;
    if (left.next >= 0) symbols[static_cast<std::size_t>(left.next)].previous = best.left;
    if (left.previous >= 0) push_candidate(left.previous, scratch);
    push_candidate(best.left, scratch);
  }
}

}  // namespace linnet::tokenizer
