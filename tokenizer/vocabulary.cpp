#include "tokenizer/vocabulary.h"

#include <utility>

#include "weights/base/error.h"

namespace linnet::tokenizer {

void Vocabulary::reserve(std::int64_t tokens, std::int64_t bytes) {
  by_id_.reserve(static_cast<std::size_t>(tokens));
  text_.reserve(static_cast<std::size_t>(bytes));
  index_.reserve(tokens);
}

void Vocabulary::add(std::string_view token, std::int32_t id, Duplicates duplicates) {
  const auto index = static_cast<std::size_t>(id);
  if (index >= by_id_.size()) by_id_.resize(index + 1);
  const std::int32_t old = token.empty() ? std::exchange(empty_, id).value_or(TokenIndex::kNoValue)
                                         : index_.insert(token, id);
  if (duplicates == Duplicates::kRefuse) {
    if (old != TokenIndex::kNoValue) {
      throw Error(ErrorCode::kFormat, "vocabulary: the same token has the ids " +
                                          std::to_string(old) + " and " + std::to_string(id));
    }
    if (by_id_[index].size != kAbsent) {
      throw Error(ErrorCode::kFormat, "vocabulary: two tokens have the id " + std::to_string(id));
    }
  }
  if (old != TokenIndex::kNoValue && old != id) {
    by_id_[static_cast<std::size_t>(old)] = Entry{};
    --size_;
  }
  if (by_id_[index].size == kAbsent) ++size_;
  by_id_[index] = {static_cast<std::uint32_t>(text_.size()),
                   static_cast<std::uint32_t>(token.size())};
  text_.append(token);
}

std::optional<std::int32_t> Vocabulary::id(std::string_view token) const {
  if (token.empty()) return empty_;
  const std::int32_t value = index_.get(token);
  if (value == TokenIndex::kNoValue) return std::nullopt;
  return value;
}

std::optional<std::string_view> Vocabulary::token(std::int32_t id) const {
  if (id < 0 || static_cast<std::size_t>(id) >= by_id_.size()) return std::nullopt;
  const Entry& entry = by_id_[static_cast<std::size_t>(id)];
  if (entry.size == kAbsent) return std::nullopt;
  return std::string_view(text_).substr(entry.begin, entry.size);
}

}  // namespace linnet::tokenizer
