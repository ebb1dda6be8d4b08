// Texts with a known answer: words, offsets, special and added tokens, pairs.
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "tests/support/data.h"
#include "tests/tokenizer/golden.h"
#include "tests/tokenizer/small.h"

namespace linnet::test {
namespace {

using tokenizer::EncodeOptions;
using tokenizer::Encoding;
using tokenizer::OffsetUnit;
using tokenizer::Reason;
using tokenizer::Tokenizer;
using tokenizer::TokenizerError;
using Tokens = std::vector<std::string>;

TEST(Encode, WordsAndPieces) {
  const Tokenizer t = SmallJson().load();
  EXPECT_EQ(tokens_of(t, "unwanted, RUNNING ab."),
            (Tokens{"unwanted", ",", "runn", "##ing", "ab", "."}));
  EXPECT_EQ(tokens_of(t, "unwantedx unwant unwanteded"),
            (Tokens{"[UNK]", "un", "##want", "unwanted", "##ed"}));
  EXPECT_EQ(tokens_of(t, "antidisestablishmentarianism"),
            (Tokens{"antidisestablishment", "##arianism"}));
  EXPECT_EQ(tokens_of(t, "aantidisestablishment"), (Tokens{"a", "##antidisestablishment"}));
  EXPECT_EQ(tokens_of(t, "antidisestablishmen"), (Tokens{"[UNK]"}));
}

TEST(Encode, NothingIsLeftOfEmptyTexts) {
  const Tokenizer t = SmallJson().load();
  for (const std::string text :
       {"", "   ", "\t\n\r", "\xCC\x81", "\xE2\x80\x8D", "\xEF\xBB\xBF", "\v\f\x01"}) {
    EXPECT_EQ(t.encode(text).ids, (std::vector<std::int32_t>{2, 3}))
        << testing::PrintToString(text);
  }
}

TEST(Encode, DroppedCharactersJoinWords) {
  const Tokenizer t = SmallJson().load();
  for (const std::string& between : {std::string(1, '\0'), std::string("\xC2\xAD"),
                                     std::string("\xE2\x80\x8B"), std::string("\v")}) {
    const std::string text = std::string("a").append(between).append("b");
    EXPECT_EQ(tokens_of(t, text), (Tokens{"ab"}));
    EXPECT_EQ(offsets_of(t, text), "0-3");
  }
  for (const char* between : {"\xC2\xA0", "\xE3\x80\x80", " ", "\t"}) {
    const std::string text = std::string("a") + between + "b";
    EXPECT_EQ(tokens_of(t, text), (Tokens{"a", "b"}));
  }
  EXPECT_EQ(offsets_of(t, "a  ,  b"), "0-1 3-4 6-7");
}

TEST(Encode, OffsetsInBytesCharactersAndUtf16) {
  const Tokenizer t = SmallJson().load();
  const std::string text = "😀 Résumé a";  // [UNK] resume a
  EXPECT_EQ(offsets_of(t, text, OffsetUnit::kBytes), "0-4 5-13 14-15");
  EXPECT_EQ(offsets_of(t, text, OffsetUnit::kChars), "0-1 2-8 9-10");
  EXPECT_EQ(offsets_of(t, text, OffsetUnit::kUtf16), "0-2 3-9 10-11");
  // Decomposed, a mark at the end is in nobody's range.
  EXPECT_EQ(offsets_of(t, "re\xCC\x81sume\xCC\x81"), "0-7");
}

TEST(Encode, WordsTooLongAreUnknown) {
  SmallJson json;
  json.vocab.replace(json.vocab.rfind('}'), 1, ",\"##a\":39,\"é\":40,\"##é\":41}");
  json.normalizer = "null";
  const Tokenizer t = json.load();
  EXPECT_EQ(tokens_of(t, std::string(100, 'a')).size(), 100u);
  EXPECT_EQ(tokens_of(t, std::string(101, 'a')), (Tokens{"[UNK]"}));
  std::string wide;
  for (int i = 0; i < 100; ++i) wide += "é";
  EXPECT_EQ(tokens_of(t, wide).size(), 100u);  // characters count, not bytes
  EXPECT_EQ(tokens_of(t, wide + "é"), (Tokens{"[UNK]"}));
  json.longest = "3";
  EXPECT_EQ(tokens_of(json.load(), "aaa aaaa hello"),
            (Tokens{"a", "##a", "##a", "[UNK]", "[UNK]"}));
  json.longest = "0";
  EXPECT_EQ(tokens_of(json.load(), "a !"), (Tokens{"[UNK]", "[UNK]"}));
}

TEST(Encode, WithoutPreTokenizerTheTextIsOneWord) {
  SmallJson json;
  json.pre_tokenizer = "null";
  json.normalizer = "null";
  json.vocab.replace(json.vocab.rfind('}'), 1, ",\"## b\":39,\"##x\":40}");
  const Tokenizer t = json.load();
  EXPECT_EQ(tokens_of(t, "a b"), (Tokens{"a", "## b"}));
  EXPECT_EQ(tokens_of(t, "##x"), (Tokens{"##x"}));  // a whole token, prefix and all
}

TEST(Encode, SpecialTokensInTheText) {
  const Tokenizer t = SmallJson().load();
  EXPECT_EQ(tokens_of(t, "a[MASK]b [mask] [MAS"),
            (Tokens{"a", "[MASK]", "b", "[", "mask", "]", "[", "[UNK]"}));
  EncodeOptions options;
  options.parse_special = false;
  EXPECT_EQ(tokens_of(t, "a[MASK]b", options), (Tokens{"a", "[", "mask", "]", "b"}));
  const Encoding e = t.encode("[SEP]");
  EXPECT_EQ(e.ids, (std::vector<std::int32_t>{2, 3, 3}));
  EXPECT_EQ(e.special_tokens_mask, (std::vector<std::uint8_t>{1, 0, 1}));
  EXPECT_EQ(e.word_ids, (std::vector<std::int32_t>{-1, 0, -1}));
}

TEST(Encode, AddedTokensTakeWhiteSpaceIn) {
  SmallJson json;
  json.add(kSmallVocab, "<L>", false, true, false, false, false);
  json.add(kSmallVocab + 1, "<R>", false, false, true, false, false);
  const Tokenizer t = json.load();
  EXPECT_EQ(tokens_of(t, "a \t<L> b"), (Tokens{"a", " \t<L>", "b"}));
  EXPECT_EQ(offsets_of(t, "a \t<L> b"), "0-1 1-6 7-8");
  EXPECT_EQ(tokens_of(t, "a <R> \xE3\x80\x80 b"), (Tokens{"a", "<R> \xE3\x80\x80 ", "b"}));
  EXPECT_EQ(tokens_of(t, "<R> <L>"), (Tokens{"<R> ", "<L>"}));  // the space is taken once
  json.add(kSmallVocab + 2, "\\t<T>", false, false, false, false, false);
  json.add(kSmallVocab + 3, "\\t", false, true, false, false, false);
  const Tokenizer overlapping = json.load();
  EXPECT_EQ(tokens_of(overlapping, "<R> \t<T>b"), (Tokens{"<R> \t", "\t<T>", "b"}));
  EXPECT_EQ(offsets_of(overlapping, "<R> \t<T>b"), "0-5 4-8 8-9");
  EXPECT_EQ(tokens_of(overlapping, "<R>\t\tb"),
            (Tokens{"<R>\t\t", "b"}));  // nothing is left of the tabs
}

TEST(Encode, AddedTokensAsWholeWords) {
  SmallJson json;
  json.add(kSmallVocab, "x1", true, false, false, false, false);
  json.add(6, "b", true, false, false, false, false);
  const Tokenizer t = json.load();
  EXPECT_EQ(
      tokens_of(t, "x1 ax1 x1_ éx1 x1中 (x1)"),
      (Tokens{"x1", "[UNK]", "[UNK]", "[UNK]", "[UNK]", "[UNK]", "中", "[UNK]", "x1", "[UNK]"}));
  EXPECT_EQ(t.encode("b").word_ids, (std::vector<std::int32_t>{-1, 0, -1}));
}

TEST(Encode, AddedTokensLongestFirst) {
  SmallJson json;
  json.add(kSmallVocab, "<e", false, false, false, false, false);
  json.add(kSmallVocab + 1, "<end>", false, false, false, false, false);
  json.add(kSmallVocab + 2, "nd", false, false, false, false, false);
  json.add(kSmallVocab + 3, "", false, false, false, false, false);
  const Tokenizer t = json.load();
  EXPECT_EQ(tokens_of(t, "<end><en<nd"), (Tokens{"<end>", "<e", "[UNK]", "[UNK]", "nd"}));
  EXPECT_EQ(t.vocab_size(), kSmallVocab + 3);  // an empty content is no token
}

TEST(Encode, SpecialTokensThatAreNotParsedArePassedOverWhole) {
  SmallJson json;
  json.add(kSmallVocab, "(x", false, false, false, false, true);
  json.add(kSmallVocab + 1, "x", false, false, false, false, false);
  EncodeOptions options;
  options.parse_special = false;
  EXPECT_EQ(tokens_of(json.load(), "(x", options), (Tokens{"[UNK]", "[UNK]"}));
  EXPECT_EQ(tokens_of(json.load(), "( x", options), (Tokens{"[UNK]", "x"}));
}

TEST(Encode, AddedTokensAfterNormalization) {
  SmallJson json;
  json.add(kSmallVocab, "NewÉté", false, false, false, true, false);
  json.add(kSmallVocab + 1, "  ", false, false, false, true, false);
  const Tokenizer t = json.load();
  EXPECT_EQ(tokens_of(t, "a newéTE b"), (Tokens{"a", "newete", "b"}));
  EXPECT_EQ(offsets_of(t, "a newéTE b"), "0-1 2-8 9-10");
  EXPECT_EQ(tokens_of(t, "中文"),
            (Tokens{"中", "  ", "文"}));  // the spaces that the normalizer puts there
  EXPECT_EQ(t.decode(std::vector{kSmallVocab}), "NewÉté");
}

TEST(Encode, Pairs) {
  const Tokenizer t = SmallJson().load();
  const Encoding e = t.encode_pair("a b", "ab");
  EXPECT_EQ(e.ids, (std::vector<std::int32_t>{2, 5, 6, 3, 8, 3}));
  EXPECT_EQ(e.type_ids, (std::vector<std::int32_t>{0, 0, 0, 0, 1, 1}));
  EXPECT_EQ(e.sequence_ids, (std::vector<std::int8_t>{-1, 0, 0, -1, 1, -1}));
  EXPECT_EQ(e.word_ids, (std::vector<std::int32_t>{-1, 0, 1, -1, 0, -1}));
  EXPECT_EQ(t.encode_pair("", "").ids, (std::vector<std::int32_t>{2, 3, 3}));
  EXPECT_EQ(t.added_specials(), 2);
  EXPECT_EQ(t.added_specials_pair(), 3);
}

TEST(Encode, IdsAreAppended) {
  const Tokenizer t = SmallJson().load();
  tokenizer::Scratch scratch;
  std::vector<std::int32_t> ids{77}, types{7, 7};
  EXPECT_EQ(t.encode_ids("a", {}, scratch, ids), 3);
  EXPECT_EQ(ids, (std::vector<std::int32_t>{77, 2, 5, 3}));
  EXPECT_EQ(t.encode_pair_ids("a", "b", {}, scratch, ids, types), 5);
  EXPECT_EQ(ids, (std::vector<std::int32_t>{77, 2, 5, 3, 2, 5, 3, 6, 3}));
  EXPECT_EQ(types, (std::vector<std::int32_t>{7, 7, 0, 0, 0, 1, 1}));
}

TEST(Encode, InvalidUtf8IsAnErrorWithItsPlace) {
  const Tokenizer t = SmallJson().load();
  try {
    t.encode("ab\xE4\xB8 c");
    FAIL() << "no error";
  } catch (const TokenizerError& e) {
    EXPECT_EQ(e.reason(), Reason::kInvalidUtf8);
    EXPECT_EQ(e.code(), ErrorCode::kInvalidArgument);
    EXPECT_EQ(e.position(), 2);
  }
  EncodeOptions options;
  options.invalid_utf8 = tokenizer::InvalidUtf8::kReplace;
  options.add_special_tokens = false;
  const Encoding e = t.encode(
      "a\xF0\x9F\x98 b\xFF"
      "b",
      options);
  EXPECT_EQ(e.ids, (std::vector<std::int32_t>{5, 6, 7}));
  EXPECT_EQ(e.offsets, (std::vector<tokenizer::Span>{{0, 1}, {5, 6}, {7, 8}}));
}

// Linear time: a thousand times the text may take ten thousand times as long, not a million times.
TEST(Encode, TimeIsLinear) {
  SmallJson json;
  json.add(kSmallVocab, "<L>", false, true, true, false, false);
  json.add(kSmallVocab + 1, "zz", true, true, false, true, false);
  SmallJson greedy;  // matches in the white space that matches take in
  greedy.add(kSmallVocab, " ", false, false, true, false, false);
  for (const std::string& file : {SmallJson().text(), json.text(), greedy.text()}) {
    const Tokenizer t = Tokenizer::from_json(file);
    for (const std::string unit : {"a", " ", "!", "中", "é", "\xCC\x81", "\xE2\x80\x8B", "a ",
                                   "[MASK]", "<L> ", "zz ", "[", "한"}) {
      std::string text;
      while (text.size() < 1'000'000) text += unit;
      const auto start = std::chrono::steady_clock::now();
      t.encode(text);
      const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
      EXPECT_LT(taken.count(), 5.0) << unit;
    }
  }
}

TEST(Encode, FactsAndLookUps) {
  SmallJson json;
  json.add(kSmallVocab, "<x>", false, false, false, false, true);
  const Tokenizer t = json.load();
  EXPECT_EQ(t.vocab_size(), kSmallVocab + 1);
  EXPECT_EQ(t.id_limit(), kSmallVocab + 1);
  EXPECT_EQ(t.id("hello"), 10);
  EXPECT_EQ(t.id("##ing"), 12);
  EXPECT_EQ(t.id("<x>"), kSmallVocab);
  EXPECT_EQ(t.id(""), 38);
  EXPECT_EQ(t.id("hell"), std::nullopt);
  EXPECT_EQ(t.id("antidisestablishment"), 31);
  EXPECT_EQ(t.token(30), std::string_view("a\0", 2));
  EXPECT_EQ(t.token(kSmallVocab), "<x>");
  EXPECT_EQ(t.token(-1), std::nullopt);
  EXPECT_EQ(t.token(kSmallVocab + 1), std::nullopt);
  EXPECT_TRUE(t.is_special(3) && t.is_special(kSmallVocab));
  EXPECT_FALSE(t.is_special(10) || t.is_special(-5) || t.is_special(1 << 30));
  EXPECT_EQ(t.special_ids().cls, 2);
  EXPECT_EQ(t.special_ids().pad, 0);
  EXPECT_EQ(t.special_ids().bos, std::nullopt);
  EXPECT_EQ(t.added_tokens().size(), 6u);
  EXPECT_EQ(t.facts().model, "WordPiece");
  EXPECT_TRUE(t.facts().lowercase);
}

// 46 texts and their ids, by llama.cpp's converter and the reference.
TEST(EncodeCases, BertBge) {
  const auto folder = data_dir() / "tokenizer_cases";
  LINNET_NEEDS(folder / "bert-bge.inp");
  const Tokenizer t = golden_tokenizer("bert-base-uncased");
  const std::string inputs = read_whole(folder / "bert-bge.inp"),
                    outputs = read_whole(folder / "bert-bge.out");
  static constexpr std::string_view kBorder = "\n__ggml_vocab_test__\n";
  std::vector<std::string> texts;
  std::size_t at = 0;
  for (std::size_t end; (end = inputs.find(kBorder, at)) != std::string::npos;
       at = end + kBorder.size()) {
    texts.push_back(inputs.substr(at, end - at));
  }
  if (at < inputs.size()) texts.push_back(inputs.substr(at));
  const auto lines = split_lines(outputs);
  ASSERT_EQ(lines.size(), 46u);
  ASSERT_GE(texts.size(), lines.size());
  EncodeOptions options;
  options.add_special_tokens = false;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    std::string got;
    for (const std::int32_t id : t.encode(texts[i], options).ids)
      got.append(" ").append(std::to_string(id));
    EXPECT_EQ(got, lines[i]) << "case " << i << ": " << texts[i];
  }
}

Tokens strings(json::Value list) {
  Tokens out;
  for (const json::Value v : list.elements()) out.emplace_back(v.string());
  return out;
}

std::string vocab_text(const Tokens& tokens) {
  std::string text;
  for (const std::string& token : tokens) text += token + "\n";
  return text;
}

TEST(EncodeCases, TransformersBertTests) {
  const auto path = data_dir() / "tokenizer_cases/transformers_bert_cases.json";
  LINNET_NEEDS(path);
  const std::string text = read_whole(path);
  const json::Document cases = json::parse(text, "cases", json::kConfigBytes);
  const json::Value full = cases.root().at("full");
  const Tokenizer t = Tokenizer::from_vocab(vocab_text(strings(full.at("vocab"))));
  for (const json::Value c : full.at("cases").elements()) {
    EXPECT_EQ(tokens_of(t, c.at("text").string()), strings(c.at("tokens")))
        << c.at("text").string();
  }
  const json::Value pieces = cases.root().at("wordpiece");
  const Tokenizer w = Tokenizer::from_vocab(vocab_text(strings(pieces.at("vocab"))));
  for (const json::Value c : pieces.at("cases").elements()) {
    // "unwantedX" is split as it stands: the slow class lower-cases elsewhere.
    EXPECT_EQ(tokens_of(w, c.at("text").string()), strings(c.at("tokens")))
        << c.at("text").string();
  }
  for (const char* name : {"bert-base-uncased", "bert-base-cased"}) {
    const json::Value c =
        cases.root().at(name == std::string("bert-base-cased") ? "offsets_bert_base_cased"
                                                               : "offsets_bert_base_uncased");
    EncodeOptions options;
    options.tokens = true;
    options.offsets = OffsetUnit::kChars;
    const Encoding e = golden_tokenizer(name).encode(c.at("text").string(), options);
    EXPECT_EQ(e.tokens, strings(c.at("tokens")));
    std::vector<tokenizer::Span> want;
    for (const json::Value v : c.at("offsets").elements()) {
      auto pair = v.elements().begin();
      const auto begin = static_cast<std::int32_t>((*pair).integer());
      want.push_back({begin, static_cast<std::int32_t>((*++pair).integer())});
    }
    EXPECT_EQ(e.offsets, want);
  }
}

// Their basic tokenizer: the words before WordPiece, here with a vocabulary that has every word.
TEST(EncodeCases, TransformersBasicTokenizerTests) {
  const auto path = data_dir() / "tokenizer_cases/transformers_bert_cases.json";
  LINNET_NEEDS(path);
  const std::string text = read_whole(path);
  const json::Document cases = json::parse(text, "cases", json::kConfigBytes);
  for (const json::Value c : cases.root().at("basic").elements()) {
    const json::Value opts = c.at("opts");
    const auto flag = [&](const char* key, const char* otherwise) {
      const auto value = opts.find(key);
      return std::string(!value ? otherwise : value->boolean() ? "true" : "false");
    };
    Tokens words = strings(c.at("tokens"));
    std::string vocab = "[UNK]\n[CLS]\n[SEP]\n";
    Tokens seen{"[UNK]"};
    for (const std::string& word : words) {
      if (std::find(seen.begin(), seen.end(), word) != seen.end()) continue;
      seen.push_back(word);
      vocab += word + "\n";
    }
    std::string config = R"({"do_lower_case":)";
    config.append(flag("lower", "false")).append(R"(,"strip_accents":)");
    config.append(flag("strip_accents", "null")).append("}");
    const Tokenizer t =
        Tokenizer::from_files([&](std::string_view name) -> std::optional<std::string> {
          if (name == "vocab.txt") return vocab;
          if (name == "tokenizer_config.json") return config;
          return std::nullopt;
        });
    EXPECT_EQ(tokens_of(t, c.at("text").string()), words) << c.at("text").string() << config;
  }
}

}  // namespace
}  // namespace linnet::test
