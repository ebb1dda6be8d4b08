#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/options.h"

namespace linnet::tokenizer {

/// A half-open range of a text.
struct Span {
  std::int32_t begin = 0;
  std::int32_t end = 0;
  bool operator==(const Span&) const = default;
};

/// The result of encode: parallel arrays, one entry a token.
struct Encoding {
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> type_ids;
  std::vector<std::uint8_t> attention_mask;       ///< 1, and 0 on padding
  std::vector<std::uint8_t> special_tokens_mask;  ///< 1 on inserted specials and on padding
  std::vector<Span> offsets;           ///< in the token's own text; (0, 0) on specials and padding
  std::vector<std::int32_t> word_ids;  ///< index of the pre-token in its text, -1 for none
  std::vector<std::int8_t> sequence_ids;  ///< 0 first text, 1 second text, -1 neither
  /// Only with EncodeOptions::tokens: the vocabulary's token, and for an added token the text that
  /// was matched (normalized if it is matched after normalization, with the white space it took
  /// in).
  std::vector<std::string> tokens;
  std::vector<Encoding> overflow;  ///< the further windows, in order; theirs is empty

  std::int64_t size() const { return static_cast<std::int64_t>(ids.size()); }
};

/// Pads all encodings, and the windows in their overflow, to one length. Throws TokenizerError.
void pad(std::span<Encoding> encodings, const Padding& padding);

/// What transformers refuses: a truncation to a max_length that is no multiple of the padding's.
/// Throws TokenizerError (kMaxLengthNotMultiple).
void check_padding(const Padding& padding, const EncodeOptions& options);

/// Byte ranges of `text` (valid UTF-8, ranges on character borders, begins ascending within a run
/// of tokens) in another unit. (0, 0) stays (0, 0). Linear in the text and the ranges.
std::vector<Span> convert_offsets(std::string_view text, std::span<const Span> bytes,
                                  OffsetUnit unit);

}  // namespace linnet::tokenizer
