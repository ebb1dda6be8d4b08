#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/token_index.h"

namespace linnet::tokenizer {

/// Largest number an id may be: the largest vocabulary any model of ours may have.
inline constexpr std::int32_t kMaxId = 8'000'000 - 1;

/// Tokens and their ids, both ways. Ids may have gaps.
class Vocabulary {
 public:
  /// What to do with a token or an id that is there already.
  enum class Duplicates { kRefuse, kLastWins };

  /// `bytes`: about how many bytes all tokens have together.
  void reserve(std::int64_t tokens, std::int64_t bytes);
  /// Adds a token; `id` in [0, kMaxId]. Throws Error (kFormat) on a duplicate that is refused.
  void add(std::string_view token, std::int32_t id, Duplicates duplicates);

  std::optional<std::int32_t> id(std::string_view token) const;
  std::optional<std::string_view> token(std::int32_t id) const;
  /// Tokens with an id.
  std::int64_t size() const { return size_; }
  /// 1 + the largest id.
  std::int64_t id_limit() const { return static_cast<std::int64_t>(by_id_.size()); }

  /// token -> id, without an empty token.
  const TokenIndex& index() const { return index_; }

 private:
  struct Entry {
    std::uint32_t begin = 0;
    std::uint32_t size = kAbsent;
  };
  static constexpr std::uint32_t kAbsent = 0xFFFFFFFF;

  std::string text_;          // all tokens, end to end
  std::vector<Entry> by_id_;  // into text_
  TokenIndex index_;
  std::optional<std::int32_t> empty_;  // the id of the token without a byte
  std::int64_t size_ = 0;
};

}  // namespace linnet::tokenizer
