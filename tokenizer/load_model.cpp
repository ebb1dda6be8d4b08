// The model of tokenizer.json: WordPiece or BPE.
#include <limits>
#include <string>
#include <utility>

#include "tokenizer/load.h"
#include "weights/base/error.h"
#include "weights/base/text.h"

namespace linnet::tokenizer {
namespace {

using json::Member;
using json::Value;

// A split may look at every pair of places of a word, so a word must have a bound.
constexpr std::int64_t kMaxWordChars = 10'000;

// The type of the model. Old files do not name it; then its fields do.
std::string model_type(Value model) {
  if (const auto type = model.find("type")) return std::string(type->string());
  if (model.find("merges")) return "BPE";
  if (model.find("continuing_subword_prefix") && model.find("max_input_chars_per_word")) {
    return "WordPiece";
  }
  return model.at("vocab").kind() == json::Kind::kArray ? "Unigram" : "WordLevel";
}

void read_word_piece(Value model, WordPiece::Settings& settings) {
  settings.unk_token = model.at("unk_token").string();
  settings.continuing_subword_prefix = model.at("continuing_subword_prefix").string();
  const Value longest = model.at("max_input_chars_per_word");
  settings.max_input_chars_per_word = longest.integer(0, std::numeric_limits<std::int64_t>::max());
  if (settings.max_input_chars_per_word > kMaxWordChars) {
    throw Error(ErrorCode::kLimit, "tokenizer.json: max_input_chars_per_word is " +
                                       std::to_string(settings.max_input_chars_per_word) +
                                       ", expected at most " + std::to_string(kMaxWordChars));
  }
}

// null and "" both mean none.
std::string text_or_none(Value model, const char* key) {
  const auto value = model.find_non_null(key);
  return value ? std::string(value->string()) : std::string();
}

bool flag(Value model, const char* key) {
  const auto value = model.find_non_null(key);
  return value && value->boolean();
}

void read_bpe(Value model, Description& d) {
  if (const auto dropout = model.find_non_null("dropout"); dropout && dropout->number() != 0) {
    throw Error(ErrorCode::kUnsupported, "tokenizer.json: BPE with dropout is not supported");
  }
  d.bpe.unk_token = text_or_none(model, "unk_token");
  d.bpe.continuing_subword_prefix = text_or_none(model, "continuing_subword_prefix");
  d.bpe.end_of_word_suffix = text_or_none(model, "end_of_word_suffix");
  d.bpe.fuse_unk = flag(model, "fuse_unk");
  d.bpe.byte_fallback = flag(model, "byte_fallback");
  d.bpe.ignore_merges = flag(model, "ignore_merges");
  const Value merges = model.at("merges");
  d.merges.reserve(static_cast<std::size_t>(merges.size()));
  for (const Value merge : merges.elements()) {
    if (merge.kind() == json::Kind::kArray) {
      if (merge.size() != 2) merge.fail("expected two tokens");
      auto part = merge.elements().begin();
      std::string left((*part).string());
      ++part;
      d.merges.emplace_back(std::move(left), std::string((*part).string()));
      continue;
    }
    const std::string_view text = merge.string();
    const std::size_t space = text.find(' ');
    if (space == text.npos || text.find(' ', space + 1) != text.npos) {
      merge.fail("found " + quote(text) + ", expected two tokens with a space between");
    }
    d.merges.emplace_back(text.substr(0, space), text.substr(space + 1));
  }
}

}  // namespace

std::int32_t read_id(Value value) {
  const std::int64_t id = value.integer(0, std::numeric_limits<std::uint32_t>::max());
  if (id > kMaxId) {
    throw Error(ErrorCode::kLimit, "tokenizer.json: id " + std::to_string(id) +
                                       ", expected at most " + std::to_string(kMaxId));
  }
  return static_cast<std::int32_t>(id);
}

void read_vocabulary(Value vocab, const LoadOptions& options, Vocabulary& vocabulary) {
  const auto duplicates =
      options.lenient ? Vocabulary::Duplicates::kLastWins : Vocabulary::Duplicates::kRefuse;
  std::int64_t bytes = 0;
  for (const Member m : vocab.members()) bytes += static_cast<std::int64_t>(m.key.size());
  vocabulary.reserve(vocab.size(), bytes);
  for (const Member m : vocab.members()) vocabulary.add(m.key, read_id(m.value), duplicates);
}

void read_model(Value model, const LoadOptions& options, Description& d) {
  const std::string type = model_type(model);
  if (type == "WordLevel" || type == "Unigram") {
    throw Error(ErrorCode::kUnsupported, "tokenizer.json: a model of the type " + quote(type) +
                                             " is not supported, expected WordPiece or BPE");
  }
  if (type != "WordPiece" && type != "BPE") {
    model.at("type").fail("found the unknown type " + quote(type));
  }
  d.facts.model = type;
  if (type == "BPE") {
    d.family = Description::Family::kBpe;
    read_bpe(model, d);
  } else {
    read_word_piece(model, d.word_piece);
  }
  read_vocabulary(model.at("vocab"), options, d.vocabulary);
}

}  // namespace linnet::tokenizer
