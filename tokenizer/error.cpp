#include "tokenizer/error.h"

namespace linnet::tokenizer {

const char* name(Reason reason) {
  switch (reason) {
    case Reason::kSequenceTooShort:
      return "sequence_too_short";
    case Reason::kSecondSequenceNotProvided:
      return "second_sequence_not_provided";
    case Reason::kStrideTooLarge:
      return "stride_too_large";
    case Reason::kMaxLengthBelowAddedTokens:
      return "max_length_below_added_tokens";
    case Reason::kMaxLengthMissing:
      return "max_length_missing";
    case Reason::kMaxLengthNotMultiple:
      return "max_length_not_multiple";
    case Reason::kInvalidUtf8:
      return "invalid_utf8";
    case Reason::kUnknownId:
      return "unknown_id";
    case Reason::kTextTooLong:
      return "text_too_long";
    case Reason::kInvalidPadding:
      return "invalid_padding";
  }
  return "unknown";
}

TokenizerError::TokenizerError(Reason reason, const std::string& message, std::int64_t position)
    : Error(reason == Reason::kTextTooLong ? ErrorCode::kLimit : ErrorCode::kInvalidArgument,
            message),
      reason_(reason),
      position_(position) {}

}  // namespace linnet::tokenizer
