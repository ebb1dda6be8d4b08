#pragma once

#include <cstdint>
#include <string>

#include "weights/base/error.h"

namespace linnet::tokenizer {

/// Why a text or an id was refused, for callers that must tell the cases apart.
enum class Reason {
  kSequenceTooShort,  ///< only_first / only_second: that side cannot give up the whole excess
  kSecondSequenceNotProvided,  ///< only_second without a pair
  kStrideTooLarge,             ///< stride < 0 or stride >= the window it would overlap
  kMaxLengthBelowAddedTokens,  ///< max_length is less than the special tokens alone
  kMaxLengthMissing,           ///< a truncation without a max_length
  kMaxLengthNotMultiple,       ///< truncation and padding whose multiple does not divide max_length
  kInvalidUtf8,                ///< position() is the byte where the first bad sequence begins
  kUnknownId,                  ///< an id that is not in the vocabulary; position() is its index
  kTextTooLong,                ///< more than kMaxTextBytes
  kInvalidPadding,             ///< a negative length or multiple
};

/// The stable name of a reason, e.g. "sequence_too_short".
const char* name(Reason reason);

/// An error of encode, pad or decode. Its code is kInvalidArgument (kTextTooLong: kLimit).
class TokenizerError : public Error {
 public:
  TokenizerError(Reason reason, const std::string& message, std::int64_t position = -1);
  Reason reason() const { return reason_; }
  /// Where in the text (bytes) or in the ids (index), or -1.
  std::int64_t position() const { return position_; }

 private:
  Reason reason_;
  std::int64_t position_;
};

}  // namespace linnet::tokenizer
