#include "tokenizer/encoding.h"

#include <algorithm>
#include <limits>
#include <string>

#include "tokenizer/error.h"
#include "tokenizer/utf8.h"

namespace linnet::tokenizer {
namespace {

std::int64_t longest(std::span<const Encoding> encodings) {
  std::int64_t n = 0;
  for (const Encoding& e : encodings) n = std::max({n, e.size(), longest(e.overflow)});
  return n;
}

void pad_to(Encoding& e, std::int64_t length, const Padding& padding) {
  for (Encoding& window : e.overflow) pad_to(window, length, padding);
  if (e.size() >= length) return;
  const auto missing = static_cast<std::size_t>(length - e.size());
  const auto fill = [&](auto& values, const auto& value) {
    values.insert(padding.side == Side::kRight ? values.end() : values.begin(), missing, value);
  };
  if (e.tokens.size() == e.ids.size()) fill(e.tokens, padding.pad_token);
  fill(e.ids, padding.pad_id);
  fill(e.type_ids, padding.pad_type_id);
  fill(e.attention_mask, std::uint8_t{0});
  fill(e.special_tokens_mask, std::uint8_t{1});
  fill(e.offsets, Span{});
  fill(e.word_ids, std::int32_t{-1});
  fill(e.sequence_ids, std::int8_t{-1});
}

// Walks through a text and counts units up to a byte position; steps back where it must.
class Cursor {
 public:
  Cursor(std::string_view text, OffsetUnit unit) : text_(text), unit_(unit) {}

  std::int32_t units_before(std::int64_t byte) {
    byte = std::clamp<std::int64_t>(byte, 0, static_cast<std::int64_t>(text_.size()));
    while (byte_ < byte) {
      const char lead = text_[static_cast<std::size_t>(byte_)];
      byte_ += utf8::length_of(lead);
      units_ += units_of(lead);
    }
    while (byte_ > byte) {
      byte_ = utf8::previous(text_, byte_);
      units_ -= units_of(text_[static_cast<std::size_t>(byte_)]);
    }
    return units_;
  }

 private:
  // Characters beyond U+FFFF have four bytes in UTF-8 and two units in UTF-16.
  std::int32_t units_of(char lead) const {
    return unit_ == OffsetUnit::kUtf16 && utf8::length_of(lead) == 4 ? 2 : 1;
  }

  std::string_view text_;
  OffsetUnit unit_;
  std::int64_t byte_ = 0;
  std::int32_t units_ = 0;
};

}  // namespace

void pad(std::span<Encoding> encodings, const Padding& padding) {
  constexpr std::int64_t kMaxLength = std::numeric_limits<std::int32_t>::max();
  if (padding.length < 0 || padding.length > kMaxLength || padding.multiple_of < 0 ||
      padding.multiple_of > kMaxLength) {
    throw TokenizerError(Reason::kInvalidPadding,
                         "padding: length " + std::to_string(padding.length) + ", multiple of " +
                             std::to_string(padding.multiple_of) + ", expected 0 to 2^31 - 1");
  }
  std::int64_t length = padding.to == Padding::To::kFixed ? padding.length : longest(encodings);
  if (padding.multiple_of > 1) {
    length = (length + padding.multiple_of - 1) / padding.multiple_of * padding.multiple_of;
  }
  for (Encoding& e : encodings) pad_to(e, length, padding);
}

void check_padding(const Padding& padding, const EncodeOptions& options) {
  if (options.truncation == Truncation::kNone || !options.max_length || padding.multiple_of <= 1) {
    return;
  }
  if (*options.max_length % padding.multiple_of != 0) {
    throw TokenizerError(Reason::kMaxLengthNotMultiple,
                         "padding: max_length " + std::to_string(*options.max_length) +
                             ", expected a multiple of " + std::to_string(padding.multiple_of));
  }
}

std::vector<Span> convert_offsets(std::string_view text, std::span<const Span> bytes,
                                  OffsetUnit unit) {
  std::vector<Span> out(bytes.begin(), bytes.end());
  if (unit == OffsetUnit::kBytes) return out;
  Cursor cursor(text, unit);
  for (Span& s : out) {
    if (s == Span{}) continue;
    s.begin = cursor.units_before(s.begin);
    s.end = cursor.units_before(s.end);
  }
  return out;
}

}  // namespace linnet::tokenizer
