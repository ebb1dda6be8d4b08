#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tokenizer/tokenizer.h"

namespace linnet::test {

/// The text of a tokenizer.json with a small vocabulary, in parts that a test may replace.
struct SmallJson {
  std::string version = R"("1.0")";
  std::string truncation = "null";
  std::string padding = "null";
  std::string added = R"([
    {"id":0,"content":"[PAD]","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},
    {"id":1,"content":"[UNK]","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},
    {"id":2,"content":"[CLS]","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},
    {"id":3,"content":"[SEP]","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},
    {"id":4,"content":"[MASK]","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}])";
  std::string normalizer =
      R"({"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true})";
  std::string pre_tokenizer = R"({"type":"BertPreTokenizer"})";
  std::string post_processor = R"({"type":"TemplateProcessing",
    "single":[{"SpecialToken":{"id":"[CLS]","type_id":0}},{"Sequence":{"id":"A","type_id":0}},
              {"SpecialToken":{"id":"[SEP]","type_id":0}}],
    "pair":[{"SpecialToken":{"id":"[CLS]","type_id":0}},{"Sequence":{"id":"A","type_id":0}},
            {"SpecialToken":{"id":"[SEP]","type_id":0}},{"Sequence":{"id":"B","type_id":1}},
            {"SpecialToken":{"id":"[SEP]","type_id":1}}],
    "special_tokens":{"[CLS]":{"id":"[CLS]","ids":[2],"tokens":["[CLS]"]},
                      "[SEP]":{"id":"[SEP]","ids":[3],"tokens":["[SEP]"]}}})";
  std::string decoder = R"({"type":"WordPiece","prefix":"##","cleanup":true})";
  std::string unk = R"("[UNK]")";
  std::string prefix = R"("##")";
  std::string longest = "100";
  std::string vocab =
      R"({"[PAD]":0,"[UNK]":1,"[CLS]":2,"[SEP]":3,"[MASK]":4,"a":5,"b":6,"##b":7,"ab":8,"##c":9,"hello":10,)"
      R"("world":11,"##ing":12,",":13,".":14,"!":15,"[":16,"]":17,"mask":18,"résumé":19,"resume":20,)"
      R"("中":21,"文":22,"i":23,"##̇":24,"unwanted":25,"un":26,"##want":27,"##ed":28,"runn":29,"a\u0000":30,)"
      R"("antidisestablishment":31,"##arianism":32,"##antidisestablishment":33,"'":34,"s":35,"t":36,"don":37,"":38})";

  std::string model() const {
    return R"({"type":"WordPiece","unk_token":)" + unk + R"(,"continuing_subword_prefix":)" +
           prefix + R"(,"max_input_chars_per_word":)" + longest + R"(,"vocab":)" + vocab + "}";
  }
  std::string text() const {
    return "{\"version\":" + version + ",\"truncation\":" + truncation + ",\"padding\":" + padding +
           ",\"added_tokens\":" + added + ",\"normalizer\":" + normalizer +
           ",\"pre_tokenizer\":" + pre_tokenizer + ",\"post_processor\":" + post_processor +
           ",\"decoder\":" + decoder + ",\"model\":" + model() + "}";
  }
  tokenizer::Tokenizer load() const { return tokenizer::Tokenizer::from_json(text()); }

  /// Appends an added token.
  SmallJson& add(std::int32_t id, const std::string& content, bool single_word, bool lstrip,
                 bool rstrip, bool normalized, bool special) {
    const auto word = [](bool value) { return std::string(value ? "true" : "false"); };
    added.insert(added.rfind(']'),
                 ",{\"id\":" + std::to_string(id) + ",\"content\":\"" + content +
                     "\",\"single_word\":" + word(single_word) + ",\"lstrip\":" + word(lstrip) +
                     ",\"rstrip\":" + word(rstrip) + ",\"normalized\":" + word(normalized) +
                     ",\"special\":" + word(special) + "}");
    return *this;
  }
};

/// A first id that is not in the vocabulary of SmallJson.
inline constexpr std::int32_t kSmallVocab = 39;

/// The spelled-out tokens of a text, without specials around it.
inline std::vector<std::string> tokens_of(const tokenizer::Tokenizer& t, std::string_view text,
                                          tokenizer::EncodeOptions options = {}) {
  options.add_special_tokens = false;
  options.tokens = true;
  return t.encode(text, options).tokens;
}

/// Their offsets in characters, "0-1 1-2".
inline std::string offsets_of(const tokenizer::Tokenizer& t, std::string_view text,
                              tokenizer::OffsetUnit unit = tokenizer::OffsetUnit::kChars) {
  tokenizer::EncodeOptions options;
  options.add_special_tokens = false;
  options.offsets = unit;
  std::string out;
  for (const tokenizer::Span s : t.encode(text, options).offsets) {
    if (!out.empty()) out += ' ';
    out.append(std::to_string(s.begin)).append("-").append(std::to_string(s.end));
  }
  return out;
}

}  // namespace linnet::test
