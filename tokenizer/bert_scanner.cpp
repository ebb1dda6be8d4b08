#include "tokenizer/bert_scanner.h"

#include <emmintrin.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"

namespace linnet::tokenizer {
namespace {

// What a byte means where words of plain ASCII are told apart.
enum class Kind : std::uint8_t { kWord, kSpace, kPunctuation, kOther };

constexpr Kind kind_of(int byte) {
  const auto in = [byte](int first, int last) { return byte >= first && byte <= last; };
  if (in('0', '9') || in('A', 'Z') || in('a', 'z')) return Kind::kWord;
  if (byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r') return Kind::kSpace;
  if (in(0x21, 0x7E)) return Kind::kPunctuation;
  return Kind::kOther;  // control characters and everything beyond ASCII
}

constexpr std::array<Kind, 256> kKinds = [] {
  std::array<Kind, 256> kinds{};
  for (int i = 0; i < 256; ++i) kinds[static_cast<std::size_t>(i)] = kind_of(i);
  return kinds;
}();

Kind kind(char c) { return kKinds[static_cast<unsigned char>(c)]; }
bool separates(char c) { return kind(c) == Kind::kSpace || kind(c) == Kind::kPunctuation; }
char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

// Sixteen bytes of text, in lower case, and how many of the first ones are ASCII letters and
// digits.
struct Block {
  __m128i bytes;
  std::int64_t word_bytes;
};

constexpr std::int64_t kBlockBytes = 16;

Block load(std::string_view text, std::int64_t at, std::int64_t end, bool lowercase) {
  alignas(16) char tail[kBlockBytes] = {};
  const char* from = text.data() + at;
  if (end - at < kBlockBytes) {
    std::memcpy(tail, from, static_cast<std::size_t>(end - at));
    from = tail;
  }
  const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  // Signed comparisons: bytes beyond ASCII are negative, so they are in no range.
  const auto in = [](__m128i x, char first, char last) {
    return _mm_and_si128(_mm_cmpgt_epi8(x, _mm_set1_epi8(static_cast<char>(first - 1))),
                         _mm_cmplt_epi8(x, _mm_set1_epi8(static_cast<char>(last + 1))));
  };
  const __m128i upper = in(v, 'A', 'Z');
  const __m128i lowered = _mm_or_si128(v, _mm_and_si128(upper, _mm_set1_epi8('a' - 'A')));
  const __m128i word = _mm_or_si128(in(lowered, 'a', 'z'), in(v, '0', '9'));
  const auto others = ~static_cast<std::uint32_t>(_mm_movemask_epi8(word)) | (1u << kBlockBytes);
  return {lowercase ? lowered : v, std::countr_zero(others)};
}

TokenIndex::Key key_of(const Block& block) {
  const __m128i high = _mm_unpackhi_epi64(block.bytes, block.bytes);
  return TokenIndex::key_of(static_cast<std::uint64_t>(_mm_cvtsi128_si64(block.bytes)),
                            static_cast<std::uint64_t>(_mm_cvtsi128_si64(high)), block.word_bytes);
}

Span span(std::int64_t begin, std::int64_t end) {
  return {static_cast<std::int32_t>(begin), static_cast<std::int32_t>(end)};
}

}  // namespace

BertScanner::BertScanner(const WordPiece& model, const BertNormalizer& normalizer,
                         PreTokenizer pre_tokenizer)
    : model_(&model),
      normalizer_(&normalizer),
      pre_tokenizer_(pre_tokenizer),
      short_bytes_(std::min(TokenIndex::kKeyBytes, model.settings().max_input_chars_per_word)) {
  std::vector<Piece> pieces;
  std::array<char, 1 + TokenIndex::kPadding> mark{};
  for (char c = 0x21; c < 0x7F; ++c) {
    mark[0] = c;
    model.split({mark.data(), 1}, 1, pieces);
    punctuation_[static_cast<std::size_t>(c)] = pieces[0].id;
  }
}

template <class Sink>
void BertScanner::scan(std::string_view text, std::int64_t begin, std::int64_t end,
                       Scratch& scratch, Sink& sink) const {
  if (pre_tokenizer_ == PreTokenizer::kNone) {
    scratch.chars.clear();
    normalizer_->normalize(text, begin, end, scratch.normalizer, scratch.chars);
    return words(scratch.chars, scratch, sink);
  }
  const bool lowercase = normalizer_->lowercase;
  for (std::int64_t at = begin; at < end && !sink.full();) {
    const Block block = load(text, at, end, lowercase);
    const std::int64_t next = at + block.word_bytes;
    const char first = text[static_cast<std::size_t>(at)];
    if (block.word_bytes == 0 && separates(first)) {
      if (kind(first) == Kind::kPunctuation) {
        sink.piece(punctuation_[static_cast<std::size_t>(first)], span(at, at + 1));
        sink.end_word();
      }
      ++at;
    } else if (block.word_bytes > 0 && block.word_bytes <= short_bytes_ &&
               (next == end || separates(text[static_cast<std::size_t>(next)]))) {
      const std::int32_t id = model_->whole(key_of(block));
      if (id >= 0) {
        sink.piece(id, span(at, next));
        sink.end_word();
      } else {
        ascii_word(text, at, next, scratch, sink);
      }
      at = next + (next < end && text[static_cast<std::size_t>(next)] == ' ' ? 1 : 0);
    } else {
      at = long_or_mixed(text, at, end, scratch, sink);
    }
  }
}

// The stretch from `at` to the next separator: one long ASCII word, or anything.
template <class Sink>
std::int64_t BertScanner::long_or_mixed(std::string_view text, std::int64_t at, std::int64_t end,
                                        Scratch& scratch, Sink& sink) const {
  std::int64_t stop = at;
  bool plain = true;
  for (; stop < end && !separates(text[static_cast<std::size_t>(stop)]); ++stop) {
    plain = plain && kind(text[static_cast<std::size_t>(stop)]) == Kind::kWord;
  }
  if (plain) {
    ascii_word(text, at, stop, scratch, sink);
  } else {
    scratch.chars.clear();
    normalizer_->normalize(text, at, stop, scratch.normalizer, scratch.chars);
    words(scratch.chars, scratch, sink);
  }
  return stop;
}

template <class Sink>
void BertScanner::ascii_word(std::string_view text, std::int64_t begin, std::int64_t end,
                             Scratch& scratch, Sink& sink) const {
  if (end - begin > model_->settings().max_input_chars_per_word) {
    sink.piece(model_->unk_id(), span(begin, end));
    return sink.end_word();
  }
  const std::string_view raw =
      text.substr(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
  scratch.word.resize(raw.size() + TokenIndex::kPadding);
  if (normalizer_->lowercase) {
    std::transform(raw.begin(), raw.end(), scratch.word.begin(), to_lower);
  } else {
    std::copy(raw.begin(), raw.end(), scratch.word.begin());
  }
  model_->split(std::string_view(scratch.word).substr(0, raw.size()), end - begin, scratch.pieces);
  std::int64_t from = begin;
  for (const Piece& p : scratch.pieces) {
    sink.piece(p.id, span(from, begin + p.end));
    from = begin + p.end;
  }
  sink.end_word();
}

template <class Sink>
void BertScanner::words(std::span<const NormChar> chars, Scratch& scratch, Sink& sink) const {
  if (pre_tokenizer_ == PreTokenizer::kNone) {
    if (!chars.empty()) word(chars, scratch, sink);
    return;
  }
  const unicode::Table& table = unicode::table();
  std::size_t begin = 0;
  for (std::size_t i = 0; i < chars.size() && !sink.full(); ++i) {
    const std::uint16_t classes = table.classes(chars[i].c);
    if ((classes & (unicode::kWhitespace | unicode::kPunctuation)) == 0) continue;
    if (begin < i) word(chars.subspan(begin, i - begin), scratch, sink);
    if ((classes & unicode::kPunctuation) != 0) word(chars.subspan(i, 1), scratch, sink);
    begin = i + 1;
  }
  if (begin < chars.size()) word(chars.subspan(begin), scratch, sink);
}

template <class Sink>
void BertScanner::word(std::span<const NormChar> chars, Scratch& scratch, Sink& sink) const {
  const auto count = static_cast<std::int64_t>(chars.size());
  if (count > model_->settings().max_input_chars_per_word) {
    sink.piece(model_->unk_id(), {chars.front().begin, chars.back().end});
    return sink.end_word();
  }
  scratch.word.clear();
  for (const NormChar& c : chars) utf8::append(scratch.word, c.c);
  const std::size_t bytes = scratch.word.size();
  scratch.word.resize(bytes + TokenIndex::kPadding);
  model_->split(std::string_view(scratch.word).substr(0, bytes), count, scratch.pieces);
  std::size_t next = 0;  // the character behind the piece
  std::int64_t byte = 0;
  for (const Piece& p : scratch.pieces) {
    Span range;
    if constexpr (Sink::kSpans) {
      const std::size_t first = next;
      for (; byte < p.end; ++next) {
        byte += utf8::length_of(scratch.word[static_cast<std::size_t>(byte)]);
      }
      range = {chars[first].begin, chars[next - 1].end};
    }
    sink.piece(p.id, range);
  }
  sink.end_word();
}

template void BertScanner::scan(std::string_view, std::int64_t, std::int64_t, Scratch&,
                                TokenSink&) const;
template void BertScanner::scan(std::string_view, std::int64_t, std::int64_t, Scratch&,
                                IdSink&) const;
template void BertScanner::words(std::span<const NormChar>, Scratch&, TokenSink&) const;
template void BertScanner::words(std::span<const NormChar>, Scratch&, IdSink&) const;

}  // namespace linnet::tokenizer
