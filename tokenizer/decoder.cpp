#include "tokenizer/decoder.h"

#include <array>
#include <span>
#include <utility>

#include "tokenizer/byte_level.h"

namespace linnet::tokenizer {
namespace {

using Rule = std::pair<std::string_view, std::string_view>;

// In this order. Source: transformers 4.57.6, clean_up_tokenization; the WordPiece decoder of
// tokenizers 0.22.2, which has one rule more.
constexpr std::array<Rule, 10> kTransformers{{{" .", "."},
                                              {" ?", "?"},
                                              {" !", "!"},
                                              {" ,", ","},
                                              {" ' ", "'"},
                                              {" n't", "n't"},
                                              {" 'm", "'m"},
                                              {" 's", "'s"},
                                              {" 've", "'ve"},
                                              {" 're", "'re"}}};
constexpr std::array<Rule, 11> kTokenizers{{{" .", "."},
                                            {" ?", "?"},
                                            {" !", "!"},
                                            {" ,", ","},
                                            {" ' ", "'"},
                                            {" n't", "n't"},
                                            {" 'm", "'m"},
                                            {" do not", " don't"},
                                            {" 's", "'s"},
                                            {" 've", "'ve"},
                                            {" 're", "'re"}}};

// Every occurrence, from the left, what is put in not being looked at again.
std::string replace_all(std::string text, Rule rule) {
  std::size_t at = text.find(rule.first);
  if (at == std::string::npos) return text;
  std::string out;
  out.reserve(text.size());
  std::size_t from = 0;
  for (; at != std::string::npos; at = text.find(rule.first, from)) {
    out.append(text, from, at - from).append(rule.second);
    from = at + rule.first.size();
  }
  return out.append(text, from);
}

std::string apply(std::string text, std::span<const Rule> rules) {
  for (const Rule& rule : rules) text = replace_all(std::move(text), rule);
  return text;
}

}  // namespace

std::string Decoder::piece(std::string_view token, bool first, Cleanup cleanup_asked) const {
  // A token with a character that is no byte is text itself, as added tokens are.
  if (kind == Kind::kByteLevel) return byte_level::decode(token).value_or(std::string(token));
  std::string text;
  if (first) {
    text = token;
  } else if (kind == Kind::kWordPiece && token.starts_with(prefix)) {
    text = token.substr(prefix.size());
  } else {
    text.append(" ").append(token);
  }
  const bool tidy = kind == Kind::kWordPiece && cleanup && cleanup_asked != Cleanup::kNone;
  return tidy ? apply(std::move(text), kTokenizers) : text;
}

std::string clean_up(std::string text) { return apply(std::move(text), kTransformers); }

}  // namespace linnet::tokenizer
