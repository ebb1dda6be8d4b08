// tokenizer.json as a whole, and its added tokens.
#include <algorithm>
#include <array>
#include <string>

#include "tokenizer/load.h"
#include "weights/base/error.h"
#include "weights/base/text.h"

namespace linnet::tokenizer {
namespace {

using json::Member;
using json::Value;

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

// Each family has its own stages in front of the model.
void check_combination(const Description& d) {
  const auto refuse = [&](const char* stage) {
    throw Error(ErrorCode::kUnsupported,
                "tokenizer.json: " + d.facts.model + " behind " + stage + " is not supported");
  };
  if (d.family == Description::Family::kWordPiece) {
    if (d.bpe.byte_level) refuse("ByteLevel");
    return;
  }
  if (d.pre_tokenizer != BertScanner::PreTokenizer::kNone) refuse("BertPreTokenizer");
  const BertNormalizer& n = d.normalizer;
  if (n.clean_text || n.handle_chinese_chars || n.strip_accents || n.lowercase) {
    refuse("BertNormalizer");
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
  if (const auto v = root.find_non_null("pre_tokenizer")) read_pre_tokenizer(*v, d);
  if (const auto v = root.find_non_null("post_processor"))
    d.post_processor = read_post_processor(*v, d);
  if (const auto v = root.find_non_null("decoder")) d.decoder = read_decoder(*v);
  if (const auto v = root.find_non_null("truncation")) d.facts.truncation = read_truncation(*v);
  if (const auto v = root.find_non_null("padding")) d.facts.padding = read_padding(*v);
  check_combination(d);
  d.facts.lowercase = d.normalizer.lowercase;
  find_special_ids(d);
  return d;
}

}  // namespace linnet::tokenizer
