#include "tokenizer/wordpiece.h"

#include <utility>

#include "weights/base/error.h"
#include "weights/base/text.h"

namespace linnet::tokenizer {

WordPiece::WordPiece(const Vocabulary& vocabulary, Settings settings)
    : first_(&vocabulary.index()),
      settings_(std::move(settings)),
      unk_id_(vocabulary.id(settings_.unk_token).value_or(TokenIndex::kNoValue)) {
  if (unk_id_ == TokenIndex::kNoValue) {
    throw Error(ErrorCode::kFormat,
                "vocabulary: the unknown token is missing, expected " + quote(settings_.unk_token));
  }
  const std::string& prefix = settings_.continuing_subword_prefix;
  for (std::int32_t id = 0; id < vocabulary.id_limit(); ++id) {
    const auto token = vocabulary.token(id);
    if (token && token->size() > prefix.size() && token->starts_with(prefix)) {
      continuing_.insert(token->substr(prefix.size()), vocabulary.id(*token).value());
    }
  }
}

void WordPiece::split(std::string_view word, std::int64_t chars, std::vector<Piece>& pieces) const {
  pieces.clear();
  const auto unknown = [&] { pieces.assign(1, {unk_id_, static_cast<std::int32_t>(word.size())}); };
  if (chars > settings_.max_input_chars_per_word) return unknown();
  const TokenIndex* index = first_;
  for (std::size_t begin = 0; begin < word.size(); index = &continuing_) {
    const TokenIndex::Match match = index->longest(word.substr(begin));
    if (match.value == TokenIndex::kNoValue) return unknown();
    begin += static_cast<std::size_t>(match.bytes);
    pieces.push_back({match.value, static_cast<std::int32_t>(begin)});
  }
}

}  // namespace linnet::tokenizer
