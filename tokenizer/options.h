#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace linnet::tokenizer {

enum class Truncation { kNone, kLongestFirst, kOnlyFirst, kOnlySecond };
enum class Side { kRight, kLeft };

/// The unit of Encoding::offsets. Bytes are those of the text as it was given, even where invalid
/// UTF-8 was replaced; characters (Unicode scalar values) and UTF-16 units are those of the text
/// after replacement.
enum class OffsetUnit { kBytes, kChars, kUtf16 };

/// What encode does with text that is not UTF-8: refuse it, or read every maximal ill-formed
/// subpart as one U+FFFD (the WHATWG rule, also Python's errors="replace").
enum class InvalidUtf8 { kError, kReplace };

/// Clean-up of decoded text: none; what the decoder of the tokenizer itself asks for (piece by
/// piece); or that and then transformers' clean_up_tokenization over the whole string.
enum class Cleanup { kNone, kTokenizers, kTransformers };

/// Longest text that encode takes.
inline constexpr std::int64_t kMaxTextBytes = std::int64_t{1} << 29;

/// How encode works. The defaults are those of the reference tokenizers.
struct EncodeOptions {
  bool add_special_tokens = true;  ///< insert [CLS], [SEP], ... as the template says
  /// Recognise special tokens that stand in the text. Text from strangers should switch this off:
  /// a typed "[SEP]" is then ordinary text.
  bool parse_special = true;
  Truncation truncation = Truncation::kNone;
  /// Ids of one encoding at most, specials included. Needed by, and read only with, a truncation.
  std::optional<std::int64_t> max_length;
  Side truncation_side = Side::kRight;  ///< the side that is cut away
  std::int64_t stride = 0;              ///< tokens that neighbouring windows share
  bool return_overflow = false;         ///< keep the other windows in Encoding::overflow
  OffsetUnit offsets = OffsetUnit::kBytes;
  InvalidUtf8 invalid_utf8 = InvalidUtf8::kError;
  bool tokens = false;  ///< fill Encoding::tokens
};

/// How decode works.
struct DecodeOptions {
  bool skip_special_tokens = false;
  Cleanup cleanup = Cleanup::kTokenizers;
  bool lenient = false;  ///< drop ids outside the vocabulary instead of refusing them
};

/// How tokenizer files are read.
struct LoadOptions {
  /// Accept what the reference accepts: duplicate tokens and ids (the last one wins), ids of added
  /// tokens that disagree with the model (they are renumbered), special tokens missing from the
  /// vocabulary (they are appended).
  bool lenient = false;
};

/// How pad works. Pads have attention 0, special mask 1, offsets (0, 0) and no word.
struct Padding {
  enum class To { kLongest, kFixed };
  To to = To::kLongest;
  std::int64_t length = 0;       ///< of kFixed; longer encodings stay as they are
  std::int64_t multiple_of = 1;  ///< the length is then raised to a multiple
  Side side = Side::kRight;
  std::int32_t pad_id = 0;
  std::int32_t pad_type_id = 0;
  std::string pad_token = "[PAD]";  ///< for Encoding::tokens
};

}  // namespace linnet::tokenizer
