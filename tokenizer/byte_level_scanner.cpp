#include "tokenizer/byte_level_scanner.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"

namespace linnet::tokenizer {
namespace {

enum class Kind : std::uint8_t { kLetter, kNumber, kSpace, kOther };

Kind kind_of(std::uint16_t classes) {
  if ((classes & unicode::kLetter) != 0) return Kind::kLetter;
  if ((classes & unicode::kNumber) != 0) return Kind::kNumber;
  return (classes & unicode::kWhitespace) != 0 ? Kind::kSpace : Kind::kOther;
}

const std::array<Kind, 128>& ascii_kinds() {
  static const std::array<Kind, 128> kinds = [] {
    std::array<Kind, 128> table{};
    for (std::size_t c = 0; c < 128; ++c) {
      table[c] = kind_of(unicode::table().classes(static_cast<char32_t>(c)));
    }
    return table;
  }();
  return kinds;
}

// The character at a place of a segment.
struct Character {
  Kind kind;
  std::int64_t bytes;
};

Character character(std::string_view text, std::int64_t at) {
  const char lead = text[static_cast<std::size_t>(at)];
  if (static_cast<unsigned char>(lead) < 0x80) {
    return {ascii_kinds()[static_cast<std::size_t>(lead)], 1};
  }
  return {kind_of(unicode::table().classes(utf8::decode(text, at))), utf8::length_of(lead)};
}

// Where the run of one kind that holds text[at] ends.
std::int64_t run_end(std::string_view text, std::int64_t at, Kind kind) {
  const auto end = static_cast<std::int64_t>(text.size());
  const std::array<Kind, 128>& ascii = ascii_kinds();
  while (at < end) {
    const auto byte = static_cast<unsigned char>(text[static_cast<std::size_t>(at)]);
    if (byte < 0x80) {
      if (ascii[byte] != kind) return at;
      ++at;
    } else {
      const Character c = character(text, at);
      if (c.kind != kind) return at;
      at += c.bytes;
    }
  }
  return end;
}

// Bytes of the contraction that begins with the apostrophe at text[at], or 0.
std::int64_t contraction(std::string_view text, std::int64_t at) {
  const std::string_view rest = text.substr(static_cast<std::size_t>(at) + 1, 2);
  if (rest.empty()) return 0;
  if (rest[0] == 's' || rest[0] == 't' || rest[0] == 'm' || rest[0] == 'd') return 2;
  return rest == "re" || rest == "ve" || rest == "ll" ? 3 : 0;
}

// The borders of the characters that [begin, end) touches.
std::int64_t character_begin(std::string_view text, std::int64_t at) {
  const auto end = static_cast<std::int64_t>(text.size());
  while (at < end && utf8::is_continuation(text[static_cast<std::size_t>(at)])) --at;
  return at;
}
std::int64_t character_end(std::string_view text, std::int64_t at) {
  const auto end = static_cast<std::int64_t>(text.size());
  while (at < end && utf8::is_continuation(text[static_cast<std::size_t>(at)])) ++at;
  return at;
}

// The key of a word of 1 to 12 bytes.
TokenIndex::Key key_of(std::string_view word, bool readable_behind) {
  std::array<char, TokenIndex::kPadding> padded{};
  const char* from = word.data();
  if (!readable_behind) {
    std::copy(word.begin(), word.end(), padded.begin());
    from = padded.data();
  }
  std::uint64_t low = 0, high = 0;
  std::memcpy(&low, from, 8);
  std::memcpy(&high, from + 8, 8);
  return TokenIndex::key_of(low, high, static_cast<std::int64_t>(word.size()));
}

}  // namespace

std::int64_t ByteLevelScanner::word_end(std::string_view segment, std::int64_t at) {
  const auto end = static_cast<std::int64_t>(segment.size());
  const char first = segment[static_cast<std::size_t>(at)];
  if (first == '\'') {
    if (const std::int64_t bytes = contraction(segment, at); bytes > 0) return at + bytes;
  }
  const Character c = character(segment, at);
  if (c.kind != Kind::kSpace) return run_end(segment, at + c.bytes, c.kind);
  const std::int64_t behind = at + c.bytes;
  if (first == ' ' && behind < end) {
    const Character next = character(segment, behind);
    if (next.kind != Kind::kSpace) return run_end(segment, behind + next.bytes, next.kind);
  }
  const std::int64_t run = run_end(segment, behind, Kind::kSpace);
  if (run == end || run == behind) return run;
  return utf8::previous(segment, run);  // the last one belongs to what follows
}

// One word, segment[begin, end). `source`: where the segment begins in the text; `added`: 1 when
// its first byte is a space that the text does not have.
template <class Sink>
void ByteLevelScanner::word(std::string_view segment, std::int64_t begin, std::int64_t end,
                            std::int64_t source, std::int64_t added, Scratch& scratch,
                            Sink& sink) const {
  const std::string_view bytes =
      segment.substr(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
  const auto put = [&](std::int32_t id, std::int64_t from, std::int64_t to) {
    if constexpr (Sink::kSpans) {
      // An added space counts as the character behind it, whole.
      from = std::max(character_begin(segment, from), added);
      to = character_end(segment, std::max(to, 2 * added));
      sink.piece(id, {static_cast<std::int32_t>(source + from - added),
                      static_cast<std::int32_t>(source + to - added)});
    } else {
      sink.piece(id, {});
    }
  };
  if (end - begin <= TokenIndex::kKeyBytes) {
    const bool readable = begin + static_cast<std::int64_t>(TokenIndex::kPadding) <=
                          static_cast<std::int64_t>(segment.size());
    const std::int32_t id = model_->whole(key_of(bytes, readable));
    if (id >= 0) {
      put(id, begin, end);
      return sink.end_word();
    }
  }
  model_->split(bytes, scratch.bpe, scratch.pieces);
  std::int64_t from = begin;
  for (const Piece& p : scratch.pieces) {
    put(p.id, from, begin + p.end);
    from = begin + p.end;
  }
  sink.end_word();
}

template <class Sink>
void ByteLevelScanner::scan(std::string_view text, std::int64_t begin, std::int64_t end,
                            Scratch& scratch, Sink& sink) const {
  if (begin >= end) return;
  std::string_view segment =
      text.substr(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
  std::int64_t added = 0;
  if (settings_.add_prefix_space && segment[0] != ' ') {
    scratch.prefixed.assign(1, ' ').append(segment);
    segment = scratch.prefixed;
    added = 1;
  }
  const auto bytes = static_cast<std::int64_t>(segment.size());
  if (!settings_.use_regex) return word(segment, 0, bytes, begin, added, scratch, sink);
  for (std::int64_t at = 0; at < bytes && !sink.full();) {
    const std::int64_t next = word_end(segment, at);
    word(segment, at, next, begin, added, scratch, sink);
    at = next;
  }
}

template void ByteLevelScanner::scan(std::string_view, std::int64_t, std::int64_t, Scratch&,
                                     TokenSink&) const;
template void ByteLevelScanner::scan(std::string_view, std::int64_t, std::int64_t, Scratch&,
                                     IdSink&) const;

}  // namespace linnet::tokenizer
