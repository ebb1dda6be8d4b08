#include "tokenizer/source_text.h"

#include "tokenizer/error.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

namespace linnet::tokenizer {
namespace {

constexpr std::int64_t kReplacementBytes = 3;  // U+FFFD is EF BF BD

// A place in the given text and the same place in the text after replacement.
struct Place {
  std::int64_t given = 0;
  std::int64_t replaced = 0;

  void advance_to(std::int64_t target, std::string_view text) {
    while (replaced < target) {
      const utf8::Sequence s = utf8::sequence(text, given);
      given += s.length;
      replaced += s.valid ? s.length : kReplacementBytes;
    }
  }
};

}  // namespace

SourceText::SourceText(std::string_view given, InvalidUtf8 policy) : given_(given), text_(given) {
  const auto size = static_cast<std::int64_t>(given.size());
  if (size > kMaxTextBytes) {
    throw TokenizerError(Reason::kTextTooLong, "text: " + std::to_string(size) +
                                                   " bytes, expected at most " +
                                                   std::to_string(kMaxTextBytes));
  }
  const std::int64_t valid = utf8::valid_prefix(given);
  if (valid == size) return;
  if (policy == InvalidUtf8::kError) {
    throw TokenizerError(Reason::kInvalidUtf8, "text: not UTF-8 at byte " + std::to_string(valid),
                         valid);
  }
  replaced_ = utf8::replace_invalid(given);
  text_ = replaced_;
}

void SourceText::to_unit(std::vector<Span>& spans, OffsetUnit unit) const {
  if (unit != OffsetUnit::kBytes) {
    spans = convert_offsets(text_, spans, unit);
  } else if (!replaced_.empty()) {
    Place begin;
    for (Span& s : spans) {
      begin.advance_to(s.begin, given_);
      Place end = begin;
      end.advance_to(s.end, given_);
      s = {static_cast<std::int32_t>(begin.given), static_cast<std::int32_t>(end.given)};
    }
  }
}

std::string replace_invalid_utf8(std::string_view text) { return utf8::replace_invalid(text); }

}  // namespace linnet::tokenizer
