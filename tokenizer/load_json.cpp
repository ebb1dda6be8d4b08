// tokenizer.json as a whole, and its model and added tokens.
#include <algorithm>
#include <array>
#include <limits>
#include <string>

#include "tokenizer/load.h"
#include "weights/base/error.h"
#include "weights/base/text.h"

namespace linnet::tokenizer {
namespace {

using json::Member;
using json::Value;

// A split may look at every pair of places of a word, so a word must have a bound.
constexpr std::int64_t kMaxWordChars = 10'000;

std::int32_t read_id(Value value) {
  const std::int64_t id = value.integer(0, std::numeric_limits<std::uint32_t>::max());
  if (id > kMaxId) {
    throw Error(ErrorCode::kLimit, "tokenizer.json: id " + std::to_string(id) +
                                       ", expected at most " + std::to_string(kMaxId));
  }
  return static_cast<std::int32_t>(id);
}

// The type of the model. Old files do not name it; then its fields do.
std::string model_type(Value model) {
  if (const auto type = model.find("type")) return std::string(type->string());
  if (model.find("merges")) return "BPE";
  if (model.find("continuing_subword_prefix") && model.find("max_input_chars_per_word")) {
    return "WordPiece";
  }
  return model.at("vocab").kind() == json::Kind::kArray ? "Unigram" : "WordLevel";
}

void read_model(Value model, const LoadOptions& options, Description& d) {
  const std::string type = model_type(model);
  if (type == "BPE" || type == "WordLevel" || type == "Unigram") {
    throw Error(ErrorCode::kUnsupported, "tokenizer.json: a model of the type " + quote(type) +
                                             " is not supported, expected WordPiece");
  }
  if (type != "WordPiece") model.at("type").fail("found the unknown type " + quote(type));
  d.facts.model = type;
  d.model.unk_token = model.at("unk_token").string();
  d.model.continuing_subword_prefix = model.at("continuing_subword_prefix").string();
  const Value longest = model.at("max_input_chars_per_word");
  d.model.max_input_chars_per_word = longest.integer(0, std::numeric_limits<std::int64_t>::max());
  if (d.model.max_input_chars_per_word > kMaxWordChars) {
    throw Error(ErrorCode::kLimit, "tokenizer.json: max_input_chars_per_word is " +
                                       std::to_string(d.model.max_input_chars_per_word) +
                                       ", expected at most " + std::to_string(kMaxWordChars));
  }
  const auto duplicates =
      options.lenient ? Vocabulary::Duplicates::kLastWins : Vocabulary::Duplicates::kRefuse;
  const Value vocab = model.at("vocab");
  std::int64_t bytes = 0;
  for (const Member m : vocab.members()) bytes += static_cast<std::int64_t>(m.key.size());
  d.vocabulary.reserve(vocab.size(), bytes);
  for (const Member m : vocab.members()) d.vocabulary.add(m.key, read_id(m.value), duplicates);
}

void read_added_tokens(Value list, const LoadOptions& options, Description& d) {
  for (const Value v : list.elements()) {
    AddedToken token;
    token.id = read_id(v.at("id"));
    token.content = v.at("content").string();
    token.single_word = v.at("single_word").boolean();
    token.lstrip = v.at("lstrip").boolean();
    token.rstrip = v.at("rstrip").boolean();
    token.normalized = v.at("normalized").boolean();
    token.special = v.at("special").boolean();
    add_token(std::move(token), options, d);
  }
}

}  // namespace

Description load_json(std::string_view text, const LoadOptions& options) {
  const json::Document document = json::parse(text, "tokenizer.json", json::kTokenizerBytes);
  const Value root = document.root();
  static constexpr std::array<std::string_view, 9> kKeys{
      "version",       "truncation",     "padding", "added_tokens", "normalizer",
      "pre_tokenizer", "post_processor", "decoder", "model"};
  for (const Member m : root.members()) {
    if (std::find(kKeys.begin(), kKeys.end(), m.key) == kKeys.end()) m.value.fail("unknown key");
  }
  if (const auto version = root.find("version"); version && version->string() != "1.0") {
    version->fail("found version " + quote(version->string()) + ", expected \"1.0\"");
  }
  Description d;
  read_model(root.at("model"), options, d);
  if (const auto list = root.find_non_null("added_tokens")) read_added_tokens(*list, options, d);
  if (const auto v = root.find_non_null("normalizer")) d.normalizer = read_normalizer(*v);
  if (const auto v = root.find_non_null("pre_tokenizer")) d.pre_tokenizer = read_pre_tokenizer(*v);
  if (const auto v = root.find_non_null("post_processor"))
    d.post_processor = read_post_processor(*v, d);
  if (const auto v = root.find_non_null("decoder")) d.decoder = read_decoder(*v);
  if (const auto v = root.find_non_null("truncation")) d.facts.truncation = read_truncation(*v);
  if (const auto v = root.find_non_null("padding")) d.facts.padding = read_padding(*v);
  d.facts.lowercase = d.normalizer.lowercase;
  find_special_ids(d);
  return d;
}

}  // namespace linnet::tokenizer
