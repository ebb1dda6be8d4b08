#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

// What the tokenizer's fuzz targets demand of every result.
namespace linnet::test {

inline void demand(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "demanded: %s\n", what);
  std::abort();
}

/// The front of the input as options and lengths, the rest as text.
class FuzzInput {
 public:
  FuzzInput(const std::uint8_t* data, std::size_t size)
      : rest_(reinterpret_cast<const char*>(data), size) {}

  std::uint32_t byte() {
    if (rest_.empty()) return 0;
    const auto value = static_cast<unsigned char>(rest_[0]);
    rest_.remove_prefix(1);
    return value;
  }
  /// Everything up to a byte of this value, or the rest.
  std::string_view until(char end) {
    const std::string_view part = rest_.substr(0, rest_.find(end));
    rest_.remove_prefix(std::min(part.size() + 1, rest_.size()));
    return part;
  }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

/// The reason of the error that f throws, or an empty string. Any other exception ends the run.
inline std::string refusal(const std::function<void()>& f) {
  try {
    f();
  } catch (const tokenizer::TokenizerError& e) {
    return name(e.reason());
  }
  return {};
}

inline void check_encoding(const tokenizer::Tokenizer& t, const tokenizer::Encoding& e,
                           std::int64_t bytes) {
  const std::size_t n = e.ids.size();
  demand(e.type_ids.size() == n && e.attention_mask.size() == n &&
             e.special_tokens_mask.size() == n && e.offsets.size() == n && e.word_ids.size() == n &&
             e.sequence_ids.size() == n,
         "parallel arrays");
  for (std::size_t i = 0; i < n; ++i) {
    demand(e.ids[i] >= 0 && e.ids[i] < t.id_limit(), "an id of the vocabulary");
    demand(0 <= e.offsets[i].begin && e.offsets[i].begin <= e.offsets[i].end &&
               e.offsets[i].end <= bytes,
           "offsets in the text");
  }
  for (const tokenizer::Encoding& window : e.overflow) check_encoding(t, window, bytes);
}

/// Encodes a text in every way; all must agree.
inline void check_text(const tokenizer::Tokenizer& t, std::string_view text,
                       const tokenizer::EncodeOptions& options) {
  static tokenizer::Scratch scratch;
  tokenizer::Encoding e;
  std::vector<std::int32_t> ids;
  const std::string full = refusal([&] { e = t.encode(text, options, scratch); });
  const std::string fast = refusal([&] { t.encode_ids(text, options, scratch, ids); });
  demand(full == fast, "the same refusal");
  if (!full.empty()) return;
  demand(ids == e.ids, "the same ids");
  check_encoding(t, e, static_cast<std::int64_t>(text.size()));
  // A fresh scratch must not matter.
  demand(t.encode(text, options).ids == e.ids, "results without history");
  for (const bool skip : {false, true}) {
    tokenizer::DecodeOptions decode;
    decode.skip_special_tokens = skip;
    const std::string decoded = t.decode(e.ids, decode);
    demand(tokenizer::utf8::valid_prefix(decoded) == static_cast<std::int64_t>(decoded.size()),
           "decoded text is UTF-8");
  }
}

}  // namespace linnet::test
