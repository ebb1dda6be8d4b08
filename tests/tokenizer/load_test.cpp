// Files: what overrides what, what is no tokenizer, and that every set of files gives the same
// tokenizer.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tests/support/data.h"
#include "tests/tokenizer/golden.h"
#include "tests/tokenizer/small.h"

namespace linnet::test {
namespace {

using tokenizer::LoadOptions;
using tokenizer::Tokenizer;
using Files = std::map<std::string, std::string, std::less<>>;
using Tokens = std::vector<std::string>;

Tokenizer from(const Files& files, const LoadOptions& options = {}) {
  return Tokenizer::from_files(
      [&](std::string_view name) -> std::optional<std::string> {
        const auto it = files.find(name);
        if (it == files.end()) return std::nullopt;
        return it->second;
      },
      options);
}

ErrorCode code_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.code();
  }
  ADD_FAILURE() << "accepted";
  return ErrorCode::kCancelled;
}

TEST(Load, RefusesWhatIsNoTokenizer) {
  for (const char* text : {"", "null", "[]", "{}", "{\"model\":null}", "{\"model\":[]}",
                           "\xEF\xBB\xBF{}", "{\"model\":{}}x"}) {
    EXPECT_EQ(code_of([&] { Tokenizer::from_json(text); }), ErrorCode::kFormat) << text;
  }
  std::string text = SmallJson().text();
  text.insert(1, "\"surplus\":1,");
  EXPECT_EQ(code_of([&] { Tokenizer::from_json(text); }), ErrorCode::kFormat);
  EXPECT_EQ(code_of([&] { from({}); }), ErrorCode::kIo);
}

TEST(Load, OtherModelsAreUnsupported) {
  for (const char* model :
       {R"({"type":"BPE","vocab":{},"merges":[],"dropout":0.1})",
        R"({"type":"Unigram","vocab":[]})", R"({"vocab":[["a",0.0]]})",
        R"({"type":"WordLevel","vocab":{},"unk_token":"a"})", R"({"vocab":{},"unk_token":"a"})"}) {
    EXPECT_EQ(code_of([&] { Tokenizer::from_json(std::string("{\"model\":") + model + "}"); }),
              ErrorCode::kUnsupported)
        << model;
  }
  EXPECT_EQ(code_of([] { Tokenizer::from_json(R"({"model":{"type":"Foo","vocab":{}}})"); }),
            ErrorCode::kFormat);
}

TEST(Load, RefusesAFileCutOffAnywhere) {
  const std::string text = SmallJson().text();
  for (std::size_t n = 0; n < text.size(); ++n) {
    EXPECT_EQ(code_of([&] { Tokenizer::from_json(text.substr(0, n)); }), ErrorCode::kFormat) << n;
  }
  EXPECT_NO_THROW(Tokenizer::from_json(text));
}

TEST(Load, ComponentsMayBeMissingOrNull) {
  SmallJson json;
  json.normalizer = json.pre_tokenizer = json.post_processor = json.decoder = "null";
  const Tokenizer t = json.load();
  EXPECT_EQ(t.encode("a").ids, (std::vector<std::int32_t>{5}));
  EXPECT_EQ(t.encode_pair("a", "b").type_ids, (std::vector<std::int32_t>{0, 1}));
  EXPECT_EQ(t.decode(std::vector{5, 7}), "a ##b");
  const Tokenizer bare = Tokenizer::from_json("{\"model\":" + SmallJson().model() + "}");
  EXPECT_EQ(bare.encode("[SEP]").ids, (std::vector<std::int32_t>{3}));  // a word of the model
  EXPECT_EQ(bare.added_tokens().size(), 0u);
  // Old files do not name the type of the model.
  std::string old = SmallJson().text();
  const std::string type = R"("type":"WordPiece",)";
  old.erase(old.rfind(type), type.size());
  EXPECT_EQ(Tokenizer::from_json(old).encode("ab").ids, (std::vector<std::int32_t>{2, 8, 3}));
}

TEST(Load, LenientFollowsTheReference) {
  LoadOptions lenient;
  lenient.lenient = true;
  SmallJson json;
  json.vocab.insert(json.vocab.size() - 1, R"(,"x":5)");
  json.add(50, "<gap>", false, false, false, false, false);
  json.add(60, "hello", false, false, false, false, false);
  const Tokenizer t = Tokenizer::from_json(json.text(), lenient);
  EXPECT_EQ(t.encode("a x").ids, (std::vector<std::int32_t>{2, 5, 5, 3}));
  EXPECT_EQ(t.token(5), "x");             // the last one wins
  EXPECT_EQ(t.id("<gap>"), kSmallVocab);  // renumbered: 39 ids, 39 different tokens
  EXPECT_EQ(t.id("hello"), 10);

  const Tokenizer v = Tokenizer::from_vocab("[UNK]\n[CLS]\na\n[SEP]\na\n", lenient);
  EXPECT_EQ(v.id("a"), 4);
  EXPECT_EQ(v.token(2), std::nullopt);
  EXPECT_EQ(code_of([] { Tokenizer::from_vocab("[UNK]\n[CLS]\na\n[SEP]\na\n"); }),
            ErrorCode::kFormat);
}

TEST(Load, RecordsTruncationAndPadding) {
  SmallJson json;
  json.truncation = R"({"direction":"Left","max_length":8,"strategy":"OnlyFirst","stride":2})";
  json.padding =
      R"({"strategy":{"Fixed":16},"direction":"Left","pad_to_multiple_of":8,"pad_id":4,"pad_type_id":1,"pad_token":"[MASK]"})";
  const Tokenizer t = json.load();
  ASSERT_TRUE(t.facts().truncation && t.facts().padding);
  EXPECT_EQ(t.facts().truncation->truncation, tokenizer::Truncation::kOnlyFirst);
  EXPECT_EQ(t.facts().truncation->max_length, 8);
  EXPECT_EQ(t.facts().truncation->stride, 2);
  EXPECT_EQ(t.facts().truncation->truncation_side, tokenizer::Side::kLeft);
  EXPECT_EQ(t.facts().padding->length, 16);
  EXPECT_EQ(t.facts().padding->multiple_of, 8);
  EXPECT_EQ(t.facts().padding->pad_id, 4);
  EXPECT_EQ(t.facts().padding->pad_token, "[MASK]");
  EXPECT_EQ(t.encode("a b a b a b a b a b").size(), 12);  // not applied
  EXPECT_FALSE(SmallJson().load().facts().truncation);
}

constexpr const char* kVocab =
    "[PAD]\r\n[UNK]  \n[CLS]\n[SEP]\n[MASK]\na\nA\n\xC3\xA9\ne\n\xE4\xB8\xAD\na\xE2\x80\xA8z";

TEST(Load, VocabularyFile) {
  const Tokenizer t = Tokenizer::from_vocab(kVocab);
  EXPECT_EQ(t.vocab_size(), 11);
  EXPECT_EQ(t.id("[PAD]"), 0);  // "\r\n" ends a line, white space at its end goes
  EXPECT_EQ(t.id("[UNK]"), 1);
  EXPECT_EQ(t.id("a\xE2\x80\xA8z"), 10);  // U+2028 ends no line
  EXPECT_EQ(tokens_of(t, "a A é [MASK]"), (Tokens{"a", "a", "e", "[MASK]"}));
  EXPECT_EQ(t.encode("a").ids, (std::vector<std::int32_t>{2, 5, 3}));
  EXPECT_EQ(code_of([] { Tokenizer::from_vocab("[CLS]\n[SEP]\na\n"); }), ErrorCode::kFormat);
  EXPECT_EQ(code_of([] { Tokenizer::from_vocab("[UNK]\n[SEP]\na\n"); }), ErrorCode::kFormat);
  EXPECT_EQ(code_of([] { Tokenizer::from_vocab("[UNK]\n[CLS]\n[SEP]\n\xFF\n"); }),
            ErrorCode::kFormat);
  EXPECT_EQ(code_of([] { Tokenizer::from_vocab(""); }), ErrorCode::kFormat);
}

TEST(Load, ConfigOverridesTheNormalizer) {
  const std::string text = "A é 中";
  const auto with = [&](const char* config) {
    return tokens_of(from({{"vocab.txt", kVocab}, {"tokenizer_config.json", config}}), text);
  };
  EXPECT_EQ(with("{}"), (Tokens{"a", "e", "中"}));
  EXPECT_EQ(with(R"({"do_lower_case":false})"), (Tokens{"A", "é", "中"}));
  EXPECT_EQ(with(R"({"do_lower_case":false,"strip_accents":true})"), (Tokens{"A", "e", "中"}));
  EXPECT_EQ(with(R"({"strip_accents":false})"), (Tokens{"a", "é", "中"}));
  // The same over tokenizer.json, whose normalizer says lowercase = true.
  SmallJson json;
  json.vocab.insert(json.vocab.size() - 1,
                    R"(,"A":39,"é":40,"e":41,"中a":42,"中##a":43,"##文":44)");
  const auto over = [&](const char* config, std::string_view input) {
    return tokens_of(from({{"tokenizer.json", json.text()}, {"tokenizer_config.json", config}}),
                     input);
  };
  EXPECT_EQ(over("{}", text), (Tokens{"a", "e", "中"}));
  EXPECT_EQ(over(R"({"do_lower_case":false,"strip_accents":null})", text),
            (Tokens{"A", "é", "中"}));
  EXPECT_EQ(over("{}", "中文"), (Tokens{"中", "文"}));
  EXPECT_EQ(over(R"({"tokenize_chinese_chars":false})", "中文"), (Tokens{"中", "##文"}));
  EXPECT_EQ(code_of([&] { over(R"({"do_lower_case":"no"})", ""); }), ErrorCode::kFormat);
}

TEST(Load, ConfigFacts) {
  const auto facts = [](const char* config) {
    return from({{"vocab.txt", kVocab}, {"tokenizer_config.json", config}}).facts();
  };
  EXPECT_EQ(facts(R"({"model_max_length":512})").model_max_length, 512);
  EXPECT_EQ(facts(R"({"model_max_length":1000000000000000019884624838656})").model_max_length,
            std::nullopt);
  EXPECT_EQ(facts(R"({"model_max_length":1e30})").model_max_length, std::nullopt);
  EXPECT_EQ(facts(R"({"padding_side":"left"})").padding_side, tokenizer::Side::kLeft);
  EXPECT_EQ(facts(R"({"truncation_side":"left"})").truncation_side, tokenizer::Side::kLeft);
  EXPECT_EQ(facts(R"({"clean_up_tokenization_spaces":true})").clean_up_tokenization_spaces, true);
  EXPECT_EQ(facts("{}").clean_up_tokenization_spaces, std::nullopt);
  for (const char* config :
       {R"({"padding_side":"up"})", R"({"model_max_length":-1})", R"({"model_max_length":"512"})",
        R"({"model_max_length":1.5})", R"({"cls_token":"[NOPE]"})", R"({"cls_token":7})", "[]"}) {
    EXPECT_EQ(code_of([&] { facts(config); }), ErrorCode::kFormat) << config;
  }
}

TEST(Load, SideFilesNameSpecialAndAddedTokens) {
  const char* vocab = "<pad>\n<unk>\n<s>\n</s>\na\nb\n";
  const Tokenizer t = from(
      {{"vocab.txt", vocab},
       {"special_tokens_map.json",
        R"({"unk_token":"<unk>","cls_token":{"content":"<s>","lstrip":true},"sep_token":"</s>","pad_token":"<pad>","additional_special_tokens":["<new>"]})"},
       {"added_tokens.json", R"({"word":7,"<new>":6})"}});
  EXPECT_EQ(t.encode("a zz").ids, (std::vector<std::int32_t>{2, 4, 1, 3}));
  EXPECT_EQ(t.encode("a WORD<new> <s>").ids, (std::vector<std::int32_t>{2, 4, 7, 6, 2, 3}));
  EXPECT_TRUE(t.is_special(6) && t.is_special(2));
  EXPECT_FALSE(t.is_special(7));
  EXPECT_EQ(t.special_ids().pad, 0);
  EXPECT_EQ(t.special_ids().mask, std::nullopt);

  const Tokenizer d = from(
      {{"vocab.txt", kVocab},
       {"tokenizer_config.json",
        R"({"added_tokens_decoder":{"11":{"content":"<x>","lstrip":false,"normalized":false,"rstrip":true,"single_word":false,"special":true},"0":{"content":"[PAD]","special":true}}})"}});
  EXPECT_EQ(d.id("<x>"), 11);
  EXPECT_TRUE(d.is_special(11));
  EXPECT_EQ(tokens_of(d, "<x>  a"), (Tokens{"<x>  ", "a"}));
  for (const char* config : {R"({"added_tokens_decoder":{"12":{"content":"<x>"}}})",
                             R"({"added_tokens_decoder":{"x":{"content":"<x>"}}})",
                             R"({"added_tokens_decoder":{"3":{"content":"<x>"}}})",
                             R"({"added_tokens_decoder":{"9999999999":{"content":"<x>"}}})"}) {
    EXPECT_EQ(code_of([&] {
                from({{"vocab.txt", kVocab}, {"tokenizer_config.json", config}});
              }),
              ErrorCode::kFormat)
        << config;
  }
}

TEST(Load, LenientAppendsMissingSpecialTokens) {
  LoadOptions lenient;
  lenient.lenient = true;
  const Files files{{"vocab.txt", kVocab}, {"tokenizer_config.json", R"({"bos_token":"<bos>"})"}};
  EXPECT_EQ(code_of([&] { from(files); }), ErrorCode::kFormat);
  EXPECT_EQ(from(files, lenient).special_ids().bos, 11);
}

TEST(Load, DirectoryOfFiles) {
  std::string name = (std::filesystem::temp_directory_path() / "linnet_tokenizer_XXXXXX").string();
  ASSERT_NE(mkdtemp(name.data()), nullptr);
  const std::filesystem::path folder = name;
  std::ofstream(folder / "vocab.txt") << kVocab;
  EXPECT_EQ(Tokenizer::from_directory(folder).encode("a").ids,
            (std::vector<std::int32_t>{2, 5, 3}));
  std::ofstream(folder / "tokenizer.json") << SmallJson().text();
  EXPECT_EQ(Tokenizer::from_directory(folder).id("hello"), 10);  // tokenizer.json comes first
  std::filesystem::remove(folder / "tokenizer.json");
  std::filesystem::create_directory(folder / "tokenizer.json");
  EXPECT_EQ(code_of([&] { Tokenizer::from_directory(folder); }), ErrorCode::kIo);
  std::filesystem::remove_all(folder);
  EXPECT_EQ(code_of([&] { Tokenizer::from_directory(folder); }), ErrorCode::kIo);
}

TEST(Load, EverySetOfFilesGivesTheSameTokenizer) {
  const auto folder = minilm_dir();
  LINNET_NEEDS(folder / "tokenizer.json");
  const auto text_of = [&](const char* name) { return read_whole(folder / name); };
  std::vector<Tokenizer> all;
  all.push_back(Tokenizer::from_directory(folder));
  all.push_back(Tokenizer::from_json(text_of("tokenizer.json")));
  all.push_back(from({{"vocab.txt", text_of("vocab.txt")}}));
  all.push_back(from({{"vocab.txt", text_of("vocab.txt")},
                      {"tokenizer_config.json", text_of("tokenizer_config.json")},
                      {"special_tokens_map.json", text_of("special_tokens_map.json")}}));
  tokenizer::EncodeOptions options;
  options.tokens = true;
  options.offsets = tokenizer::OffsetUnit::kUtf16;
  for (const char* text :
       {"", "Hello, wörld! [MASK] 中文", "unaffable\tÉCOLE '[SEP]' x²", "\xF0\x9F\x98\x80 don't"}) {
    const auto want = all[0].encode_pair(text, "a pair", options);
    for (const Tokenizer& t : all) {
      const auto got = t.encode_pair(text, "a pair", options);
      EXPECT_EQ(got.ids, want.ids);
      EXPECT_EQ(got.tokens, want.tokens);
      EXPECT_EQ(got.type_ids, want.type_ids);
      EXPECT_EQ(got.offsets, want.offsets);
      EXPECT_EQ(got.word_ids, want.word_ids);
      EXPECT_EQ(t.decode(got.ids), all[0].decode(want.ids));
      EXPECT_EQ(t.special_ids().mask, 103);
    }
  }
  EXPECT_EQ(all[0].facts().model_max_length, 512);
}

}  // namespace
}  // namespace linnet::test
