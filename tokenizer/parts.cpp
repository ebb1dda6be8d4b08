#include "tokenizer/parts.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "tokenizer/utf8.h"

namespace linnet::tokenizer {
namespace {

void append_utf8(std::span<const NormChar> chars, std::string& out) {
  for (const NormChar& c : chars) utf8::append(out, c.c);
}

std::string normalize(const BertNormalizer& normalizer, std::string_view text) {
  BertNormalizer::Scratch scratch;
  std::vector<NormChar> chars;
  normalizer.normalize(text, 0, static_cast<std::int64_t>(text.size()), scratch, chars);
  std::string out;
  append_utf8(chars, out);
  return out;
}

Span span(std::int64_t begin, std::int64_t end) {
  return {static_cast<std::int32_t>(begin), static_cast<std::int32_t>(end)};
}

std::string_view cut(std::string_view text, std::int64_t begin, std::int64_t end) {
  return text.substr(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
}

}  // namespace

Tokenizer::Parts::Parts(Description description)
    : d(std::move(description)),
      added_by_id(d.added.size()),
      size(d.vocabulary.size()),
      id_limit(d.vocabulary.id_limit()) {
  if (d.family == Description::Family::kBpe) {
    bpe.emplace(d.vocabulary, d.bpe, d.merges);
    byte_level_scanner.emplace(*bpe, d.byte_level);
    d.merges = {};
  } else {
    word_piece.emplace(d.vocabulary, d.word_piece);
    bert_scanner.emplace(*word_piece, d.normalizer, d.pre_tokenizer);
  }
  // Where two contents become equal by normalization the first one counts, special ones before all.
  for (const bool special : {true, false}) {
    for (std::size_t i = 0; i < d.added.size(); ++i) {
      const AddedToken& token = d.added[i];
      if (token.special != special) continue;
      const auto index = static_cast<std::int32_t>(i);
      if (token.normalized) {
        normalized.insert(normalize(d.normalizer, token.content), index);
      } else {
        raw.insert(token.content, index);
      }
    }
  }
  for (const AddedToken& token : d.added) {
    id_limit = std::max<std::int64_t>(id_limit, std::int64_t{token.id} + 1);
    if (!d.vocabulary.id(token.content)) ++size;
  }
  std::iota(added_by_id.begin(), added_by_id.end(), 0);
  std::sort(added_by_id.begin(), added_by_id.end(), [&](std::int32_t a, std::int32_t b) {
    return d.added[static_cast<std::size_t>(a)].id < d.added[static_cast<std::size_t>(b)].id;
  });
}

const AddedToken* Tokenizer::Parts::added(std::int32_t id) const {
  const auto at = std::lower_bound(added_by_id.begin(), added_by_id.end(), id,
                                   [&](std::int32_t index, std::int32_t value) {
                                     return d.added[static_cast<std::size_t>(index)].id < value;
                                   });
  if (at == added_by_id.end()) return nullptr;
  const AddedToken& token = d.added[static_cast<std::size_t>(*at)];
  return token.id == id ? &token : nullptr;
}

template <class Sink>
void Tokenizer::Parts::tokenize(std::string_view text, bool parse_special,
                                Scratch::Buffers& scratch, Sink& sink) const {
  raw.find(text, d.added, parse_special, scratch.raw_matches);
  std::int64_t from = 0;
  for (const AddedMatch& m : scratch.raw_matches) {
    segment(text, from, m.begin, parse_special, scratch, sink);
    if (sink.full()) return;
    sink.added(d.added[static_cast<std::size_t>(m.token)].id, span(m.begin, m.end),
               cut(text, m.begin, m.end));
    from = m.end;
  }
  segment(text, from, static_cast<std::int64_t>(text.size()), parse_special, scratch, sink);
}

// Text between added tokens that are matched on the text itself.
template <class Sink>
void Tokenizer::Parts::segment(std::string_view text, std::int64_t begin, std::int64_t end,
                               bool parse_special, Scratch::Buffers& scratch, Sink& sink) const {
  if (begin >= end) return;
  if (byte_level_scanner) {
    return byte_level_segment(text, begin, end, parse_special, scratch, sink);
  }
  if (normalized.empty()) return bert_scanner->scan(text, begin, end, scratch.scanner, sink);

  scratch.chars.clear();
  d.normalizer.normalize(text, begin, end, scratch.scanner.normalizer, scratch.chars);
  scratch.normalized.clear();
  append_utf8(scratch.chars, scratch.normalized);
  const std::string_view whole = scratch.normalized;
  normalized.find(whole, d.added, parse_special, scratch.normalized_matches);

  const std::span<const NormChar> chars = scratch.chars;
  std::size_t at = 0;  // a character, and the byte of `whole` at which it begins
  std::int64_t byte = 0;
  const auto seek = [&](std::int64_t to) {
    for (; byte < to; ++at) byte += utf8::length_of(whole[static_cast<std::size_t>(byte)]);
    for (; byte > to; --at) byte = utf8::previous(whole, byte);
    return at;
  };
  const auto words_between = [&](std::int64_t from, std::int64_t to) {
    if (from >= to) return;
    const std::size_t first = seek(from);
    bert_scanner->words(chars.subspan(first, seek(to) - first), scratch.scanner, sink);
  };
  std::int64_t from = 0;
  for (const AddedMatch& m : scratch.normalized_matches) {
    words_between(from, m.begin);
    if (sink.full()) return;
    const Span source{chars[seek(m.begin)].begin, chars[seek(m.end) - 1].end};
    sink.added(d.added[static_cast<std::size_t>(m.token)].id, source, cut(whole, m.begin, m.end));
    from = m.end;
  }
  words_between(from, static_cast<std::int64_t>(whole.size()));
}

// The same where nothing is normalized: added tokens of both kinds are matched on the text.
template <class Sink>
void Tokenizer::Parts::byte_level_segment(std::string_view text, std::int64_t begin,
                                          std::int64_t end, bool parse_special,
                                          Scratch::Buffers& scratch, Sink& sink) const {
  const std::string_view whole = cut(text, begin, end);
  scratch.normalized_matches.clear();
  if (!normalized.empty()) {
    normalized.find(whole, d.added, parse_special, scratch.normalized_matches);
  }
  std::int64_t from = begin;
  for (const AddedMatch& m : scratch.normalized_matches) {
    byte_level_scanner->scan(text, from, begin + m.begin, scratch.byte_level, sink);
    if (sink.full()) return;
    sink.added(d.added[static_cast<std::size_t>(m.token)].id, span(begin + m.begin, begin + m.end),
               cut(whole, m.begin, m.end));
    from = begin + m.end;
  }
  byte_level_scanner->scan(text, from, end, scratch.byte_level, sink);
}

template void Tokenizer::Parts::tokenize(std::string_view, bool, Scratch::Buffers&,
                                         TokenSink&) const;
template void Tokenizer::Parts::tokenize(std::string_view, bool, Scratch::Buffers&, IdSink&) const;

}  // namespace linnet::tokenizer
