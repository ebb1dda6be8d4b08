#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/encoding.h"
#include "tokenizer/options.h"

namespace linnet::tokenizer {

/// A text as it was given and as it is read: valid UTF-8, at most kMaxTextBytes.
class SourceText {
 public:
  /// Throws TokenizerError (kInvalidUtf8, kTextTooLong). `given` must outlive it.
  SourceText(std::string_view given, InvalidUtf8 policy);
  SourceText(const SourceText&) = delete;
  SourceText& operator=(const SourceText&) = delete;

  /// What the tokenizer sees.
  std::string_view text() const { return text_; }

  /// Turns byte ranges of text(), begins ascending, into the unit the caller asked for.
  void to_unit(std::vector<Span>& spans, OffsetUnit unit) const;

 private:
  std::string_view given_;
  std::string replaced_;  // holds text_ where something had to be replaced
  std::string_view text_;
};

}  // namespace linnet::tokenizer
