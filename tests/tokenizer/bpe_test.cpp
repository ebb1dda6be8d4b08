// Byte-pair encoding: merges, unknown characters, files; the byte-level pre-tokenizer.
#include "tokenizer/bpe.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "tests/support/data.h"
#include "tests/tokenizer/generator.h"
#include "tests/tokenizer/golden.h"
#include "tests/tokenizer/small.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/byte_level_scanner.h"
#include "tokenizer/utf8.h"

namespace linnet::test {
namespace {

using tokenizer::Bpe;
using tokenizer::Piece;
using tokenizer::Tokenizer;
using tokenizer::Vocabulary;
using Tokens = std::vector<std::string>;

// A model over characters: a tokenizer.json without a pre-tokenizer.
struct BpeJson {
  std::string vocab = R"({"a":0,"b":1,"c":2,"ab":3,"bc":4,"abc":5,"aa":6,"aaaa":7,"<unk>":8})";
  std::string merges = R"(["a b","b c","ab c","a a","aa aa"])";
  std::string more = {};  // further members of the model
  std::string pre_tokenizer = "null";

  std::string text() const {
    return R"({"version":"1.0","pre_tokenizer":)" + pre_tokenizer +
           R"(,"model":{"type":"BPE","vocab":)" + vocab + R"(,"merges":)" + merges + more + "}}";
  }
  Tokenizer load() const { return Tokenizer::from_json(text()); }
};

TEST(Bpe, MergesTheLowestRankLeftmostFirst) {
  const Tokenizer t = BpeJson().load();
  EXPECT_EQ(tokens_of(t, "abc"), (Tokens{"abc"}));
  EXPECT_EQ(tokens_of(t, "bcab"), (Tokens{"bc", "ab"}));
  EXPECT_EQ(tokens_of(t, "aab"), (Tokens{"a", "ab"}));  // a b before a a
  EXPECT_EQ(tokens_of(t, "aaa"), (Tokens{"aa", "a"}));
  EXPECT_EQ(tokens_of(t, "aaaaaaa"), (Tokens{"aaaa", "aa", "a"}));
  EXPECT_EQ(offsets_of(t, "aaabc"), "0-2 2-5");
  EXPECT_EQ(t.encode("ab ab").word_ids, (std::vector<std::int32_t>{0, 0}));  // no pre-tokenizer
}

TEST(Bpe, MergesAsPairsAndAsStrings) {
  BpeJson json;
  json.merges = R"([["a","b"],["b","c"],["ab","c"],["a","a"],["aa","aa"]])";
  EXPECT_EQ(tokens_of(json.load(), "abcaaa"), tokens_of(BpeJson().load(), "abcaaa"));
}

TEST(Bpe, UnknownCharacters) {
  BpeJson json;
  EXPECT_EQ(tokens_of(json.load(), "axxb"), (Tokens{"ab"}));  // dropped, as in the reference
  json.more = R"(,"unk_token":"<unk>")";
  EXPECT_EQ(tokens_of(json.load(), "axxb"), (Tokens{"a", "<unk>", "<unk>", "b"}));
  EXPECT_EQ(offsets_of(json.load(), "aéüb"), "0-1 1-2 2-3 3-4");
  json.more = R"(,"unk_token":"<unk>","fuse_unk":true)";
  EXPECT_EQ(tokens_of(json.load(), "axxb"), (Tokens{"a", "<unk>", "b"}));
  EXPECT_EQ(offsets_of(json.load(), "aéüb"), "0-1 1-3 3-4");
}

TEST(Bpe, ByteFallback) {
  BpeJson json;
  json.vocab = R"({"a":0,"<0xC3>":1,"<0xA9>":2,"<unk>":3})";
  json.merges = "[]";
  json.more = R"(,"unk_token":"<unk>","byte_fallback":true)";
  EXPECT_EQ(tokens_of(json.load(), "aé"), (Tokens{"a", "<0xC3>", "<0xA9>"}));
  EXPECT_EQ(offsets_of(json.load(), "aé"), "0-1 1-2 1-2");
  EXPECT_EQ(tokens_of(json.load(), "aü"), (Tokens{"a", "<unk>"}));  // C3 BC: not all bytes exist
}

TEST(Bpe, IgnoreMergesTakesWholeWords) {
  BpeJson json;
  json.vocab = R"({"a":0,"b":1,"c":2,"ab":3,"bca":4})";
  json.merges = R"(["a b"])";
  EXPECT_EQ(tokens_of(json.load(), "bca"), (Tokens{"b", "c", "a"}));
  json.more = R"(,"ignore_merges":true)";
  EXPECT_EQ(tokens_of(json.load(), "bca"), (Tokens{"bca"}));
  EXPECT_EQ(tokens_of(json.load(), "bcab"), (Tokens{"b", "c", "ab"}));
}

TEST(Bpe, PrefixAndSuffix) {
  BpeJson json;
  json.vocab = R"({"a":0,"##b":1,"##c</w>":2,"ab":3,"abc</w>":4,"a</w>":5})";
  json.merges = R"(["a ##b","ab ##c</w>"])";
  json.more = R"(,"continuing_subword_prefix":"##","end_of_word_suffix":"</w>")";
  EXPECT_EQ(tokens_of(json.load(), "abc"), (Tokens{"abc</w>"}));
  EXPECT_EQ(tokens_of(json.load(), "a"), (Tokens{"a</w>"}));
}

TEST(Bpe, RefusesFilesThatContradictThemselves) {
  const auto message = [](const BpeJson& json) -> std::string {
    try {
      json.load();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kFormat);
      return error.what();
    }
    return "accepted";
  };
  BpeJson json;
  json.merges = R"(["a x"])";
  EXPECT_NE(message(json).find("merges: number 1: the token \"x\""), std::string::npos);
  json.merges = R"(["a b","b a"])";
  EXPECT_NE(message(json).find("number 2: the token \"ba\""), std::string::npos);
  for (const char* merges : {R"(["ab"])", R"(["a b c"])", R"([["a"]])", R"([["a","b","c"]])"}) {
    json.merges = merges;
    EXPECT_NE(message(json), "accepted") << merges;
  }
  json = {};
  json.more = R"(,"unk_token":"[UNK]")";
  EXPECT_NE(message(json).find("unknown token is missing"), std::string::npos);
}

// The definition, word for word: look at all pairs, merge the best, begin anew.
std::vector<std::int32_t> by_definition(const Vocabulary& vocabulary,
                                        const std::vector<Bpe::Merge>& merges, Tokens symbols) {
  for (;;) {
    std::size_t best_rank = merges.size(), best = 0;
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
      for (std::size_t rank = 0; rank < best_rank; ++rank) {
        if (merges[rank].first == symbols[i] && merges[rank].second == symbols[i + 1]) {
          best_rank = rank;
          best = i;
        }
      }
    }
    if (best_rank == merges.size()) break;
    symbols[best] += symbols[best + 1];
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
  std::vector<std::int32_t> ids;
  for (const std::string& s : symbols) ids.push_back(vocabulary.id(s).value());
  return ids;
}

TEST(Bpe, ShortAndLongWordsFollowTheDefinition) {
  std::mt19937 rng(11);
  for (int round = 0; round < 30; ++round) {
    Vocabulary vocabulary;
    std::vector<std::string> tokens{"a", "b", "c"};
    for (const auto& token : tokens) {
      vocabulary.add(token, static_cast<std::int32_t>(vocabulary.size()),
                     Vocabulary::Duplicates::kRefuse);
    }
    std::vector<Bpe::Merge> merges;
    for (int i = 0; i < 25; ++i) {
      const Bpe::Merge merge{tokens[rng() % tokens.size()], tokens[rng() % tokens.size()]};
      const std::string merged = merge.first + merge.second;
      if (std::find(merges.begin(), merges.end(), merge) != merges.end()) continue;
      merges.push_back(merge);
      if (vocabulary.id(merged)) continue;
      vocabulary.add(merged, static_cast<std::int32_t>(vocabulary.size()),
                     Vocabulary::Duplicates::kRefuse);
      tokens.push_back(merged);
    }
    const Bpe bpe(vocabulary, {}, merges);
    Bpe::Scratch scratch;
    std::vector<Piece> pieces;
    for (int i = 0; i < 40; ++i) {
      std::string word;
      Tokens symbols;
      for (std::size_t n = 1 + rng() % (i % 2 == 0 ? 12 : 90); n > 0; --n) {
        word.push_back(static_cast<char>('a' + rng() % 3));
        symbols.emplace_back(1, word.back());
      }
      bpe.split(word, scratch, pieces);
      std::vector<std::int32_t> ids;
      for (const Piece& p : pieces) ids.push_back(p.id);
      ASSERT_EQ(ids, by_definition(vocabulary, merges, symbols)) << word;
      bpe.split(word, scratch, pieces);  // now that it is known whether the word is a token
      ASSERT_EQ(pieces.size(), ids.size());
    }
  }
}

TEST(ByteLevel, AlphabetIsABijection) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all.push_back(static_cast<char>(byte));
  EXPECT_EQ(tokenizer::byte_level::decode(tokenizer::byte_level::encode(all)), all);
  EXPECT_EQ(tokenizer::byte_level::encode(" \n\t!"), "ĠĊĉ!");
  EXPECT_FALSE(tokenizer::byte_level::decode("a b"));
  EXPECT_FALSE(tokenizer::byte_level::decode("中"));
}

Tokens words(std::string_view text) {
  Tokens out;
  for (std::int64_t at = 0; at < static_cast<std::int64_t>(text.size());) {
    const std::int64_t end = tokenizer::ByteLevelScanner::word_end(text, at);
    out.emplace_back(text.substr(static_cast<std::size_t>(at), static_cast<std::size_t>(end - at)));
    at = end;
  }
  return out;
}

TEST(ByteLevel, SplitsLikeTheRegularExpression) {
  EXPECT_EQ(words("hello   world  "), (Tokens{"hello", "  ", " world", "  "}));
  EXPECT_EQ(words("a \n b"), (Tokens{"a", " \n", " b"}));
  EXPECT_EQ(words("\t\ta"), (Tokens{"\t", "\t", "a"}));
  EXPECT_EQ(words("I'LL we'll 'tis ''s's"),
            (Tokens{"I", "'", "LL", " we", "'ll", " '", "tis", " ''", "s", "'s"}));
  EXPECT_EQ(words("x²Ⅷ½"), (Tokens{"x", "²Ⅷ½"}));
  EXPECT_EQ(words("a\xC2\xA0"
                  "b"),
            (Tokens{"a", "\xC2\xA0", "b"}));
  EXPECT_EQ(words("3.14_x"), (Tokens{"3", ".", "14", "_", "x"}));
}

TEST(ByteLevel, DecodesWhatItEncodes) {
  LINNET_NEEDS(data_dir() / "vocab/gpt2/merges.txt");
  const Tokenizer t = golden_tokenizer("gpt2");
  TextGenerator generator(3);
  tokenizer::EncodeOptions options;
  options.parse_special = false;
  for (int i = 0; i < 3000; ++i) {
    const std::string text = generator.text(20);
    const auto ids = t.encode(text, options).ids;
    ASSERT_EQ(t.decode(ids), text);
    tokenizer::DecodeStream stream(t);
    std::string pieces;
    for (const std::int32_t id : ids) pieces += stream.step(id);
    ASSERT_EQ(pieces + stream.finish(), text);
  }
}

TEST(ByteLevel, DecodesAnyTwoBytes) {
  LINNET_NEEDS(data_dir() / "vocab/gpt2/merges.txt");
  const Tokenizer t = golden_tokenizer("gpt2");
  std::vector<std::int32_t> id_of(256);
  for (std::size_t byte = 0; byte < 256; ++byte) {
    const std::string text(1, static_cast<char>(byte));
    id_of[byte] = t.id(tokenizer::byte_level::encode(text)).value();
  }
  for (std::size_t a = 0; a < 256; ++a) {
    for (std::size_t b = 0; b < 256; ++b) {
      const std::string bytes{static_cast<char>(a), static_cast<char>(b)};
      ASSERT_EQ(t.decode(std::vector{id_of[a], id_of[b]}), tokenizer::utf8::replace_invalid(bytes));
    }
  }
}

TEST(ByteLevel, FilesAloneAreTheSameTokenizer) {
  const auto folder = data_dir() / "vocab/gpt2";
  LINNET_NEEDS(folder);
  const Tokenizer json = Tokenizer::from_json(read_whole(folder / "tokenizer.json"));
  const Tokenizer files = Tokenizer::from_vocab_and_merges(read_whole(folder / "vocab.json"),
                                                           read_whole(folder / "merges.txt"));
  EXPECT_EQ(json.vocab_size(), files.vocab_size());
  EXPECT_EQ(json.special_ids().eos, files.special_ids().eos);
  TextGenerator generator(4);
  for (int i = 0; i < 500; ++i) {
    const std::string text = generator.text(12) + "<|endoftext|>";
    ASSERT_EQ(json.encode(text).ids, files.encode(text).ids) << text;
  }
}

TEST(ByteLevel, LongWordsTakeLittleTime) {
  LINNET_NEEDS(data_dir() / "vocab/gpt2/merges.txt");
  const Tokenizer t = golden_tokenizer("gpt2");
  // A quadratic algorithm would need hours for any of them.
  for (const std::string unit : {"a", "x1", " ", "\n", "é", "''"}) {
    std::string text;
    while (text.size() < 1'000'000) text += unit;
    EXPECT_EQ(t.decode(t.encode(text).ids), text);
  }
}

TEST(ByteLevel, MergesTxtIsChecked) {
  const std::string vocab = R"({"a":0,"b":1,"ab":2})";
  EXPECT_EQ(Tokenizer::from_vocab_and_merges(vocab, "#version: 0.2\na b\n").encode("ab").ids,
            (std::vector<std::int32_t>{2}));
  EXPECT_EQ(Tokenizer::from_vocab_and_merges(vocab, "a b\r\n").encode("ab").ids,
            (std::vector<std::int32_t>{2}));
  for (const char* merges :
       {"ab\n", "a b c\n", "a  b\n", "a x\n", "b a\n", "\xFF b\n", "a b\n\na b\n"}) {
    EXPECT_THROW(Tokenizer::from_vocab_and_merges(vocab, merges), Error) << merges;
  }
}

}  // namespace
}  // namespace linnet::test
