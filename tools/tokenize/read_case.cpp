#include <algorithm>

#include "tools/tokenize/case.h"
#include "weights/base/checked.h"
#include "weights/base/error.h"
#include "weights/base/text.h"

namespace linnet::tools {
namespace {

using json::Value;
using tokenizer::Padding;
using tokenizer::Side;
using tokenizer::Truncation;

template <class E>
E choice(Value value, std::initializer_list<std::pair<std::string_view, E>> choices) {
  std::string all;
  for (const auto& [text, result] : choices) {
    if (value.string() == text) return result;
    all += (all.empty() ? "" : ", ") + std::string(text);
  }
  value.fail("found " + quote(value.string()) + ", expected one of " + all);
}

Padding& padding_of(CaseOptions& options) {
  if (!options.padding) options.padding.emplace();
  return *options.padding;
}

void read_option(CaseOptions& options, std::string_view key, Value v) {
  constexpr std::int64_t kMost = tokenizer::kMaxTextBytes;
  tokenizer::EncodeOptions& encode = options.encode;
  if (key == "add_special_tokens") {
    encode.add_special_tokens = v.boolean();
  } else if (key == "split_special_tokens") {
    encode.parse_special = !v.boolean();
  } else if (key == "truncation") {
    encode.truncation = choice<Truncation>(v, {{"longest_first", Truncation::kLongestFirst},
                                               {"only_first", Truncation::kOnlyFirst},
                                               {"only_second", Truncation::kOnlySecond},
                                               {"do_not_truncate", Truncation::kNone}});
  } else if (key == "max_length") {
    encode.max_length = v.integer(0, kMost);
  } else if (key == "truncation_side") {
    encode.truncation_side = choice<Side>(v, {{"right", Side::kRight}, {"left", Side::kLeft}});
  } else if (key == "stride") {
    encode.stride = v.integer(-kMost, kMost);
  } else if (key == "return_overflowing_tokens") {
    encode.return_overflow = v.boolean();
  } else if (key == "invalid_utf8") {
    encode.invalid_utf8 = choice<tokenizer::InvalidUtf8>(
        v,
        {{"error", tokenizer::InvalidUtf8::kError}, {"replace", tokenizer::InvalidUtf8::kReplace}});
  } else if (key == "padding") {
    padding_of(options).to = choice<Padding::To>(
        v, {{"longest", Padding::To::kLongest}, {"max_length", Padding::To::kFixed}});
  } else if (key == "pad_to_multiple_of") {
    padding_of(options).multiple_of = v.integer(1, kMost);
  } else if (key == "padding_side") {
    padding_of(options).side = choice<Side>(v, {{"right", Side::kRight}, {"left", Side::kLeft}});
  } else {
    v.fail("no option has this name");
  }
}

// prefix + unit · count + suffix
std::string generated(Value gen) {
  const std::string_view unit = gen.at("unit").string();
  const std::int64_t count = gen.at("count").integer(0, tokenizer::kMaxTextBytes);
  const auto size = checked_mul(count, static_cast<std::int64_t>(unit.size()));
  if (!size || *size > tokenizer::kMaxTextBytes) gen.fail("the text would be too long");
  std::string text(gen.at("prefix").string());
  text.reserve(text.size() + static_cast<std::size_t>(*size));
  for (std::int64_t i = 0; i < count; ++i) text += unit;
  return text += gen.at("suffix").string();
}

std::vector<std::string> strings(Value list) {
  std::vector<std::string> out;
  for (const Value v : list.elements()) out.emplace_back(v.string());
  return out;
}

void read_texts(TokenizerCase& c, Value record) {
  if (const auto texts = record.find("texts")) {
    c.batch = true;
    c.texts = strings(*texts);
    if (const auto pairs = record.find("pairs")) c.pairs = strings(*pairs);
    if (!c.pairs.empty() && c.pairs.size() != c.texts.size()) {
      record.fail("texts and pairs differ in number");
    }
    return;
  }
  if (const auto b64 = record.find("text_b64")) {
    c.raw = true;
    c.texts.push_back(from_base64(b64->string()));
  } else if (const auto gen = record.find("text_gen")) {
    c.texts.push_back(generated(*gen));
  } else {
    c.texts.emplace_back(record.at("text").string());
  }
  if (const auto pair = record.find("pair")) c.pairs.emplace_back(pair->string());
}

}  // namespace

TokenizerCase read_case(Value record, const CaseOptions& defaults,
                        const tokenizer::Tokenizer& tokenizer) {
  TokenizerCase c;
  c.options = defaults;
  read_texts(c, record);
  // A record that gives bytes and also the text that they are read as says what is done about them.
  if (c.raw && record.find("text")) {
    c.options.encode.invalid_utf8 = tokenizer::InvalidUtf8::kReplace;
  }
  if (const auto opt = record.find("opt")) {
    for (const json::Member m : opt->members()) read_option(c.options, m.key, m.value);
  }
  c.options.encode.tokens = true;
  if (c.options.padding) {
    Padding& padding = *c.options.padding;
    padding.length = c.options.encode.max_length.value_or(0);
    if (!tokenizer.special_ids().pad) record.fail("the tokenizer has no token to pad with");
    padding.pad_id = *tokenizer.special_ids().pad;
  }
  return c;
}

std::string from_base64(std::string_view text) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const auto refuse = [] { throw Error(ErrorCode::kFormat, "text_b64: not base64"); };
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  if (text.size() % 4 != 0) refuse();
  while (text.ends_with('=') && text.size() % 4 != 2) text.remove_suffix(1);
  for (const char c : text) {
    const std::size_t digit = kDigits.find(c);
    if (digit == kDigits.npos) refuse();
    bits = bits << 6 | static_cast<std::uint32_t>(digit);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out.push_back(static_cast<char>(bits >> count));
    }
  }
  return out;
}

}  // namespace linnet::tools
