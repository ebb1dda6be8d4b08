#include "tokenizer/wordpiece.h"

#include <utility>

#include "weights/base/error.h"

namespace linnet::tokenizer {

WordPiece::WordPiece(const Vocabulary& vocabulary, Settings settings)
    : trie_(&vocabulary.trie()),
      settings_(std::move(settings)),
      unk_id_(trie_->get(settings_.unk_token)),
      continuation_(trie_->find(settings_.continuing_subword_prefix)) {
  if (unk_id_ == Trie::kNoValue) {
    throw Error(ErrorCode::kFormat, "vocabulary: the unknown token is missing, expected \"" +
                                        settings_.unk_token + "\"");
  }
}

void WordPiece::split(std::string_view word, std::int64_t chars, std::vector<Piece>& pieces) const {
  pieces.clear();
  const auto unknown = [&] { pieces.assign(1, {unk_id_, static_cast<std::int32_t>(word.size())}); };
  if (chars > settings_.max_input_chars_per_word) return unknown();
  Trie::Node start = Trie::kRoot;
  for (std::size_t begin = 0; begin < word.size(); start = continuation_) {
    std::size_t end = begin;
    Trie::Node longest = Trie::kNone;
    if (start != Trie::kNone) {
      Trie::Step step{start, false};
      for (std::size_t at = begin; at < word.size(); ++at) {
        step = trie_->step(step.node, word[at]);
        if (step.node == Trie::kNone) break;
        if (step.has_value) {
          longest = step.node;
          end = at + 1;
        }
      }
    }
    if (longest == Trie::kNone) return unknown();
    pieces.push_back({trie_->value(longest), static_cast<std::int32_t>(end)});
    begin = end;
  }
}

}  // namespace linnet::tokenizer
