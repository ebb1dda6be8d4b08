// What holds for every text, whatever the tokenizer.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/data.h"
#include "tests/tokenizer/generator.h"
#include "tests/tokenizer/golden.h"
#include "tests/tokenizer/small.h"
#include "tokenizer/load.h"
#include "tokenizer/parts.h"

namespace linnet::test {
namespace {

using tokenizer::EncodeOptions;
using tokenizer::Encoding;
using tokenizer::OffsetUnit;
using tokenizer::Scratch;
using tokenizer::Span;
using tokenizer::Tokenizer;

constexpr int kTexts = 4000;

// tokenizer.json texts with different stages.
std::vector<std::string> varied_files() {
  std::vector<std::string> files{SmallJson().text()};
  SmallJson added;
  added.add(kSmallVocab, "<x>", false, true, true, false, true);
  added.add(kSmallVocab + 1, "zz", true, false, true, true, false);
  added.add(kSmallVocab + 2, "  ", false, false, false, true, false);
  added.add(kSmallVocab + 3, "É", false, true, false, true, false);
  files.push_back(added.text());
  SmallJson raw;
  raw.normalizer = "null";
  raw.longest = "9";
  files.push_back(raw.text());
  SmallJson cased;
  cased.normalizer =
      R"({"type":"BertNormalizer","clean_text":false,"handle_chinese_chars":false,"strip_accents":true,"lowercase":false})";
  files.push_back(cased.text());
  SmallJson lower;
  lower.normalizer =
      R"({"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":false,"lowercase":true})";
  files.push_back(lower.text());
  SmallJson whole;
  whole.pre_tokenizer = "null";
  files.push_back(whole.text());
  if (std::filesystem::exists(data_dir() / "vocab/all-MiniLM-L6-v2/tokenizer.json")) {
    files.push_back(read_whole(data_dir() / "vocab/all-MiniLM-L6-v2/tokenizer.json"));
  }
  return files;
}

// Calls f(tokenizer, generator) for every file.
template <class F>
void for_each_tokenizer(F f) {
  std::uint32_t seed = 1;
  for (const std::string& file : varied_files()) {
    SCOPED_TRACE("file " + std::to_string(seed));
    TextGenerator generator(seed++);
    f(Tokenizer::from_json(file), generator);
    if (testing::Test::HasFailure()) return;
  }
}

// Tokens of a text, one stage after the other, without the path for plain ASCII.
tokenizer::Tokens staged(const Tokenizer::Parts& parts, std::string_view text,
                         Scratch::Buffers& b) {
  tokenizer::Tokens tokens;
  tokenizer::TokenSink sink(tokens, parts.d.vocabulary, {});
  b.chars.clear();
  parts.d.normalizer.normalize(text, 0, static_cast<std::int64_t>(text.size()),
                               b.scanner.normalizer, b.chars);
  parts.bert_scanner->words(b.chars, b.scanner, sink);
  return tokens;
}

TEST(Property, FastPathIsTheStages) {
  std::uint32_t seed = 100;
  for (const std::string& file : varied_files()) {
    const Tokenizer::Parts parts(tokenizer::load_json(file, {}));
    TextGenerator generator(seed++);
    Scratch scratch;
    Scratch::Buffers& b = scratch.buffers();
    for (int i = 0; i < kTexts; ++i) {
      const std::string text = generator.text(12);
      tokenizer::Tokens got;
      tokenizer::TokenSink sink(got, parts.d.vocabulary, {});
      parts.bert_scanner->scan(text, 0, static_cast<std::int64_t>(text.size()), b.scanner, sink);
      const tokenizer::Tokens want = staged(parts, text, b);
      ASSERT_EQ(got.ids, want.ids) << testing::PrintToString(text);
      ASSERT_EQ(got.spans, want.spans) << testing::PrintToString(text);
      ASSERT_EQ(got.words, want.words) << testing::PrintToString(text);
    }
  }
}

EncodeOptions random_options(TextGenerator& g) {
  using tokenizer::Truncation;
  EncodeOptions options;
  options.add_special_tokens = g.below(2) == 0;
  options.parse_special = g.below(3) != 0;
  options.truncation = static_cast<Truncation>(g.below(4));
  options.max_length = g.below(16);
  options.truncation_side = g.below(2) == 0 ? tokenizer::Side::kRight : tokenizer::Side::kLeft;
  options.stride = g.below(3);
  options.return_overflow = g.below(2) == 0;
  options.invalid_utf8 =
      g.below(2) == 0 ? tokenizer::InvalidUtf8::kError : tokenizer::InvalidUtf8::kReplace;
  return options;
}

// The ids, or why there are none.
template <class F>
std::pair<std::vector<std::int32_t>, std::string> outcome(F f) {
  try {
    return {f(), ""};
  } catch (const tokenizer::TokenizerError& e) {
    return {{}, std::string(name(e.reason())) + ": " + e.what()};
  }
}

TEST(Property, IdsAloneAreThoseOfTheEncoding) {
  for_each_tokenizer([](const Tokenizer& t, TextGenerator& g) {
    Scratch scratch;
    for (int i = 0; i < kTexts; ++i) {
      const std::string first = g.bytes(10), second = g.bytes(6);
      const EncodeOptions options = random_options(g);
      std::vector<std::int32_t> types;
      ASSERT_EQ(outcome([&] { return t.encode(first, options, scratch).ids; }), outcome([&] {
                  std::vector<std::int32_t> ids;
                  t.encode_ids(first, options, scratch, ids);
                  return ids;
                }))
          << testing::PrintToString(first);
      ASSERT_EQ(outcome([&] { return t.encode_pair(first, second, options).ids; }), outcome([&] {
                  std::vector<std::int32_t> ids;
                  t.encode_pair_ids(first, second, options, scratch, ids, types);
                  return ids;
                }))
          << testing::PrintToString(first) << testing::PrintToString(second);
    }
  });
}

TEST(Property, OffsetsAreRangesOfTheText) {
  for_each_tokenizer([](const Tokenizer& t, TextGenerator& g) {
    for (int i = 0; i < kTexts; ++i) {
      const std::string text = g.text(10);
      EncodeOptions options;
      options.add_special_tokens = false;
      const Encoding e = t.encode(text, options);
      const auto size = static_cast<std::int32_t>(text.size());
      std::int32_t from = 0, word = 0;
      for (std::size_t k = 0; k < e.offsets.size(); ++k) {
        const Span s = e.offsets[k];
        ASSERT_TRUE(from <= s.begin && s.begin < s.end && s.end <= size)
            << testing::PrintToString(text);
        for (const std::int32_t at : {s.begin, s.end}) {
          ASSERT_TRUE(at == size ||
                      !tokenizer::utf8::is_continuation(text[static_cast<std::size_t>(at)]));
        }
        from = s.begin;
        ASSERT_TRUE(e.word_ids[k] == word || e.word_ids[k] == word + 1 || k == 0) << k;
        word = e.word_ids[k];
      }
      // Characters counted from the front, without the cursor.
      options.offsets = OffsetUnit::kChars;
      const Encoding chars = t.encode(text, options);
      for (std::size_t k = 0; k < e.offsets.size(); ++k) {
        const auto count = [&](std::int32_t end) {
          return static_cast<std::int32_t>(
              std::count_if(text.begin(), text.begin() + end,
                            [](char c) { return !tokenizer::utf8::is_continuation(c); }));
        };
        ASSERT_EQ(chars.offsets[k], (Span{count(e.offsets[k].begin), count(e.offsets[k].end)}));
      }
    }
  });
}

TEST(Property, ReplacedBytesKeepTheirPlaces) {
  for_each_tokenizer([](const Tokenizer& t, TextGenerator& g) {
    EncodeOptions options;
    options.invalid_utf8 = tokenizer::InvalidUtf8::kReplace;
    options.add_special_tokens = false;
    for (int i = 0; i < kTexts; ++i) {
      const std::string given = g.bytes(10);
      const std::string seen = tokenizer::replace_invalid_utf8(given);
      const Encoding raw = t.encode(given, options), clean = t.encode(seen, options);
      ASSERT_EQ(raw.ids, clean.ids);
      for (std::size_t k = 0; k < raw.offsets.size(); ++k) {
        // The bytes of a range, replaced, are the range of the text with replacements.
        const auto cut = [](const std::string& text, Span s) {
          return text.substr(static_cast<std::size_t>(s.begin),
                             static_cast<std::size_t>(s.end - s.begin));
        };
        ASSERT_EQ(tokenizer::replace_invalid_utf8(cut(given, raw.offsets[k])),
                  cut(seen, clean.offsets[k]))
            << testing::PrintToString(given);
      }
    }
  });
}

TEST(Property, WindowsReconstructTheText) {
  for_each_tokenizer([](const Tokenizer& t, TextGenerator& g) {
    for (int i = 0; i < kTexts; ++i) {
      const std::string text = g.text(20);
      EncodeOptions options;
      options.add_special_tokens = false;
      const Encoding whole = t.encode(text, options);
      options.truncation = tokenizer::Truncation::kLongestFirst;
      options.max_length = 1 + g.below(9);
      options.stride = g.below(static_cast<std::uint32_t>(*options.max_length));
      options.return_overflow = true;
      options.truncation_side = g.below(2) == 0 ? tokenizer::Side::kRight : tokenizer::Side::kLeft;
      const Encoding cut = t.encode(text, options);
      std::vector<Encoding> windows{cut};
      windows.insert(windows.end(), cut.overflow.begin(), cut.overflow.end());
      if (options.truncation_side == tokenizer::Side::kLeft)
        std::reverse(windows.begin(), windows.end());
      std::vector<std::int32_t> ids;
      std::vector<Span> offsets;
      for (const Encoding& w : windows) {
        ASSERT_LE(w.size(), *options.max_length);
        const auto shared = ids.empty() ? 0 : options.stride;
        ids.insert(ids.end(), w.ids.begin() + shared, w.ids.end());
        offsets.insert(offsets.end(), w.offsets.begin() + shared, w.offsets.end());
      }
      ASSERT_EQ(ids, whole.ids);
      ASSERT_EQ(offsets, whole.offsets);
    }
  });
}

TEST(Property, SeparatedTextsDoNotMeet) {
  for_each_tokenizer([](const Tokenizer& t, TextGenerator& g) {
    EncodeOptions options;
    options.add_special_tokens = false;
    options.parse_special = false;
    for (int i = 0; i < kTexts; ++i) {
      const std::string first = g.text(6), second = g.text(6);
      if (!t.facts().lowercase || t.encode("a b", options).size() != 2) return;  // no pre-tokenizer
      if (t.added_tokens().size() > 5) return;  // added tokens that take white space in
      auto want = t.encode(first, options).ids;
      const auto rest = t.encode(second, options).ids;
      want.insert(want.end(), rest.begin(), rest.end());
      ASSERT_EQ(t.encode(first + "\n" + second, options).ids, want)
          << testing::PrintToString(first) << testing::PrintToString(second);
    }
  });
}

TEST(Property, DecodingTakesEveryIdAndStreams) {
  for_each_tokenizer([](const Tokenizer& t, TextGenerator& g) {
    for (int i = 0; i < kTexts; ++i) {
      std::vector<std::int32_t> ids(g.below(12));
      for (std::int32_t& id : ids) {
        id = static_cast<std::int32_t>(g.below(static_cast<std::uint32_t>(t.id_limit())));
      }
      tokenizer::DecodeOptions options;
      options.skip_special_tokens = g.below(2) == 0;
      options.cleanup =
          g.below(2) == 0 ? tokenizer::Cleanup::kNone : tokenizer::Cleanup::kTokenizers;
      tokenizer::DecodeStream stream(t, options);
      std::string joined;
      for (const std::int32_t id : ids) joined += stream.step(id);
      ASSERT_EQ(joined, t.decode(ids, options));
    }
    const std::vector<std::int32_t> bad{0, static_cast<std::int32_t>(t.id_limit()), 1};
    try {
      t.decode(bad);
      ADD_FAILURE() << "no error";
    } catch (const tokenizer::TokenizerError& e) {
      EXPECT_EQ(e.reason(), tokenizer::Reason::kUnknownId);
      EXPECT_EQ(e.position(), 1);
    }
    tokenizer::DecodeOptions lenient;
    lenient.lenient = true;
    EXPECT_EQ(t.decode(bad, lenient), t.decode(std::vector{0, 1}));
    EXPECT_THROW(t.decode(std::vector{-1}), tokenizer::TokenizerError);
    tokenizer::DecodeOptions whole;
    whole.cleanup = tokenizer::Cleanup::kTransformers;
    EXPECT_THROW(tokenizer::DecodeStream(t, whole), Error);
  });
}

// WordPiece by its definition, over a map.
std::vector<std::int32_t> greedy(const std::map<std::string, std::int32_t>& vocab,
                                 const std::string& prefix, const std::string& word,
                                 std::int32_t unk) {
  std::vector<std::int32_t> ids;
  for (std::size_t begin = 0; begin < word.size();) {
    std::size_t end = word.size();
    for (; end > begin; --end) {
      const auto it = vocab.find((begin > 0 ? prefix : "") + word.substr(begin, end - begin));
      if (it == vocab.end()) continue;
      ids.push_back(it->second);
      break;
    }
    if (end == begin) return {unk};
    begin = end;
  }
  return ids;
}

TEST(Property, WordPieceIsGreedy) {
  TextGenerator g(5);
  const auto letters = [&](std::uint32_t most) {
    static constexpr std::array<std::string_view, 5> kLetters{"a", "b", "é", "中", "#"};
    std::string out;
    for (std::uint32_t n = 1 + g.below(most); n > 0; --n) out += kLetters[g.below(5)];
    return out;
  };
  for (int round = 0; round < 200; ++round) {
    const std::string prefix = round % 4 == 0 ? "" : round % 4 == 1 ? "a" : "##";
    std::map<std::string, std::int32_t> map{{"[UNK]", 0}};
    tokenizer::Vocabulary vocabulary;
    vocabulary.add("[UNK]", 0, tokenizer::Vocabulary::Duplicates::kRefuse);
    for (std::int32_t id = 1; id < 40; ++id) {
      const std::string token = (g.below(2) == 0 ? prefix : "") + letters(g.below(4) == 0 ? 16 : 4);
      if (!map.emplace(token, id).second) continue;
      vocabulary.add(token, id, tokenizer::Vocabulary::Duplicates::kRefuse);
    }
    const tokenizer::WordPiece model(vocabulary, {"[UNK]", prefix, 1000});
    std::vector<tokenizer::Piece> pieces;
    for (int i = 0; i < 100; ++i) {
      const std::string word = letters(24);
      const std::string padded = word + std::string(tokenizer::TokenIndex::kPadding, '\0');
      model.split(std::string_view(padded).substr(0, word.size()), 24, pieces);
      std::vector<std::int32_t> ids;
      for (const tokenizer::Piece& p : pieces) ids.push_back(p.id);
      ASSERT_EQ(ids, greedy(map, prefix, word, 0)) << word;
      ASSERT_EQ(pieces.back().end, static_cast<std::int32_t>(word.size()));
    }
  }
}

}  // namespace
}  // namespace linnet::test
