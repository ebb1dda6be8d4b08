// Character classes, lower case, UTF-8 and the normalizer by itself.
#include "tokenizer/unicode.h"

#include <gtest/gtest.h>
#include <utf8proc.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/data.h"
#include "tests/tokenizer/golden.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/utf8.h"

namespace linnet::tokenizer {
namespace {

std::string utf8_of(std::u32string_view chars) {
  std::string out;
  for (const char32_t c : chars) utf8::append(out, c);
  return out;
}

bool is_scalar(char32_t c) { return c < 0xD800 || c > 0xDFFF; }

TEST(Unicode, ClassesHaveTheirMeasuredSizes) {
  std::map<std::uint16_t, int> sizes;
  for (char32_t c = 0; c < 0x110000; ++c) {
    for (std::uint16_t bit = 1; bit <= unicode::kHasLower && is_scalar(c); bit <<= 1) {
      sizes[bit] += (unicode::table().classes(c) & bit) != 0;
    }
  }
  EXPECT_EQ(sizes[unicode::kCleanRemoves], 137681);
  EXPECT_EQ(sizes[unicode::kWhitespace], 25);
  EXPECT_EQ(sizes[unicode::kChinese], 81264);
  EXPECT_EQ(sizes[unicode::kPunctuation], 726);
  EXPECT_EQ(sizes[unicode::kNonspacingMark], 1567);  // 18 of them decompose into others
  EXPECT_EQ(sizes[unicode::kWord], 144667);
  EXPECT_EQ(sizes[unicode::kHasLower], 1488);
}

TEST(Unicode, ChineseHasTheReferencesGap) {
  const auto chinese = [](char32_t c) {
    return (unicode::table().classes(c) & unicode::kChinese) != 0;
  };
  EXPECT_TRUE(chinese(0x2B81F));
  EXPECT_FALSE(chinese(0x2B820));
  EXPECT_FALSE(chinese(0x2B91F));
  EXPECT_TRUE(chinese(0x2B920));
  EXPECT_FALSE(chinese(0x30000));
}

TEST(Unicode, LowerCaseIsOfUnicode17) {
  const std::map<char32_t, char32_t> pairs{
      {U'A', U'a'},       {0x130, U'i'},      {0x1E9E, 0xDF},     {0x1C5, 0x1C6},
      {0x3A3, 0x3C3},     {0x1C89, 0x1C8A},   {0xA7CB, 0x264},    {0xA7CC, 0xA7CD},
      {0xA7CE, 0xA7CF},   {0xA7D2, 0xA7D3},   {0xA7D4, 0xA7D5},   {0xA7DA, 0xA7DB},
      {0xA7DC, 0x19B},    {0x10D50, 0x10D70}, {0x10D65, 0x10D85}, {0x16EA0, 0x16EBB},
      {0x16EB8, 0x16ED3}, {0x10A0, 0x2D00},   {0x13A0, 0xAB70},   {0x1E900, 0x1E922}};
  for (const auto& [upper, lower] : pairs) {
    EXPECT_TRUE(unicode::table().classes(upper) & unicode::kHasLower) << std::hex << int(upper);
    EXPECT_EQ(unicode::lower(upper), lower) << std::hex << int(upper);
  }
  EXPECT_FALSE(unicode::table().classes(0x131) & unicode::kHasLower);  // dotless i
}

TEST(Unicode, LowerCaseAsMeasuredForEveryCharacter) {
  const auto path = test::tokenizer_goldens() / "unicode_classes_0.22.2.txt";
  LINNET_NEEDS(path);
  const std::string text = test::read_whole(path);
  const auto lines = test::split_lines(text);
  std::int64_t pairs = 0;
  for (std::size_t i = 0; i + 1 < lines.size(); ++i) {
    if (!lines[i].starts_with("# lowercase mapping")) continue;
    std::istringstream row{std::string(lines[i + 1])};
    for (std::string pair; row >> pair; ++pairs) {
      std::size_t end = 0;
      const auto from = static_cast<char32_t>(std::stoul(pair, &end, 16));
      EXPECT_EQ(unicode::lower(from),
                static_cast<char32_t>(std::stoul(pair.substr(end + 1), nullptr, 16)))
          << pair;
    }
  }
  EXPECT_EQ(pairs, 1488);
}

TEST(Utf8, GoodAndBadSequences) {
  const auto path = test::data_dir() / "unicode/utf8_good_bad_sequences.json";
  LINNET_NEEDS(path);
  const std::string text = test::read_whole(path);
  const json::Document document = json::parse(text, "sequences", json::kConfigBytes);
  for (const bool good : {true, false}) {
    for (const json::Value v : document.root().at(good ? "good_hex" : "bad_hex").elements()) {
      std::string raw;
      std::istringstream hex{std::string(v.string())};
      for (char a = 0, b = 0; hex >> a >> b;) {
        raw.push_back(static_cast<char>(std::stoi(std::string{a, b}, nullptr, 16)));
      }
      EXPECT_EQ(utf8::valid_prefix(raw) == static_cast<std::int64_t>(raw.size()), good)
          << v.string();
    }
  }
}

TEST(Utf8, EveryScalarValueGoesThereAndBack) {
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (!is_scalar(c)) continue;
    std::string text;
    utf8::append(text, c);
    ASSERT_EQ(utf8::valid_prefix(text), static_cast<std::int64_t>(text.size()));
    ASSERT_EQ(utf8::length_of(text[0]), static_cast<std::int64_t>(text.size()));
    ASSERT_EQ(utf8::decode(text, 0), c);
    ASSERT_EQ(utf8::previous(text, static_cast<std::int64_t>(text.size())), 0);
    // Anything cut off is one ill-formed subpart, anything overlong or a surrogate is not UTF-8.
    for (std::size_t n = 1; n < text.size(); ++n) {
      ASSERT_EQ(utf8::replace_invalid(text.substr(0, n)), "\xEF\xBF\xBD");
    }
  }
}

TEST(Utf8, MaximalSubpartsBecomeOneReplacementEach) {
  const std::string r = "\xEF\xBF\xBD";
  EXPECT_EQ(utf8::replace_invalid("a\xF0\x9F z"), "a" + r + " z");
  EXPECT_EQ(utf8::replace_invalid("\xED\xA0\x80"), r + r + r);
  EXPECT_EQ(utf8::replace_invalid("\xC0\x80"), r + r);
  EXPECT_EQ(utf8::replace_invalid("\xF4\x90\x80\x80"), r + r + r + r);
  EXPECT_EQ(utf8::replace_invalid("\xE0\x9F\x80\xE0\xA0"), r + r + r + r);
  EXPECT_EQ(utf8::replace_invalid("\xFF\xFE"
                                  "ab\x80"),
            r + r + "ab" + r);
}

// What a normalizer makes of a text, and the source ranges of its characters.
std::string normalize(const BertNormalizer& n, std::string_view text,
                      std::vector<NormChar>* chars = nullptr) {
  BertNormalizer::Scratch scratch;
  std::vector<NormChar> out;
  n.normalize(text, 0, static_cast<std::int64_t>(text.size()), scratch, out);
  std::string joined;
  for (const NormChar& c : out) utf8::append(joined, c.c);
  if (chars != nullptr) *chars = out;
  return joined;
}

constexpr BertNormalizer kUncased{true, true, true, true};

TEST(Normalizer, StripsAccentsWithoutRecomposing) {
  EXPECT_EQ(normalize(kUncased, "Résumé"), "resume");
  EXPECT_EQ(normalize(kUncased, utf8_of(U"re\u0301sume\u0301")), "resume");
  EXPECT_EQ(normalize(kUncased, utf8_of(U"\u304c")), utf8_of(U"\u304b"));
  EXPECT_EQ(normalize(kUncased, "Việt"), "viet");
  EXPECT_EQ(normalize(kUncased, utf8_of(U"\uac01")), utf8_of(U"\u1100\u1161\u11a8"));
  EXPECT_EQ(normalize(kUncased, utf8_of(U"\u212a\u212b\u2126\u037e")), utf8_of(U"ka\u03c9;"));
  EXPECT_EQ(normalize(kUncased, utf8_of(U"\ufb01\u2460\u00bd\u017f")),
            utf8_of(U"\ufb01\u2460\u00bd\u017f"));
}

TEST(Normalizer, LowerCasesEachCharacterAlone) {
  constexpr BertNormalizer kLower{false, false, false, true};
  EXPECT_EQ(normalize(kLower, "ΟΔΟΣ"), "οδοσ");
  EXPECT_EQ(normalize(kLower, "İ"), utf8_of(U"i\u0307"));
  EXPECT_EQ(normalize(kUncased, "İ"), "i");
  EXPECT_EQ(normalize(kLower, utf8_of(U"\u1e9e\u01c5\u0131")), utf8_of(U"\u00df\u01c6\u0131"));
}

TEST(Normalizer, CleansText) {
  EXPECT_EQ(normalize(kUncased, std::string("a\0b\vc\x1c"
                                            "d\x7f\te\r\n",
                                            12)),
            "abcd e  ");
  EXPECT_EQ(normalize(kUncased, utf8_of(U"a\u00adb\u200bc\ufeffd\ufffde\u0085f")), "abcdef");
  EXPECT_EQ(normalize(kUncased, utf8_of(U"a\u00a0b\u3000c\u2028d\u1680e")), "a b c d e");
  EXPECT_EQ(normalize(kUncased, utf8_of(U"\u0890\U000110cd\U00013430")),
            utf8_of(U"\u0890\U000110cd\U00013430"));
}

TEST(Normalizer, SpacesChinese) {
  EXPECT_EQ(normalize(kUncased, "a中文b"), "a 中  文 b");
  EXPECT_EQ(normalize(kUncased, "カナ한"), "カナ" + utf8_of(U"\u1112\u1161\u11ab"));
}

TEST(Normalizer, RangesPointAtTheSource) {
  std::vector<NormChar> chars;
  normalize(kUncased, utf8_of(U"re\u0301s"), &chars);
  ASSERT_EQ(chars.size(), 3u);
  EXPECT_EQ(chars[1].begin, 1);
  EXPECT_EQ(chars[1].end, 2);  // the dropped mark is in nobody's range
  EXPECT_EQ(chars[2].begin, 4);
  normalize(kUncased, utf8_of(U"x\uac01"), &chars);
  ASSERT_EQ(chars.size(), 4u);
  for (std::size_t i = 1; i < 4; ++i) {
    EXPECT_EQ(chars[i].begin, 1);
    EXPECT_EQ(chars[i].end, 4);
  }
}

TEST(Normalizer, ReordersCharactersButNotRanges) {
  // Both are spacing marks, so neither is dropped: U+1D165 has class 216, U+1D16D class 226.
  constexpr BertNormalizer kStrip{false, false, true, false};
  std::vector<NormChar> chars;
  EXPECT_EQ(normalize(kStrip, utf8_of(U"a\U0001d16d\U0001d165"), &chars),
            utf8_of(U"a\U0001d165\U0001d16d"));
  ASSERT_EQ(chars.size(), 3u);
  EXPECT_EQ(chars[1].begin, 1);
  EXPECT_EQ(chars[2].begin, 5);
}

TEST(Normalizer, DecomposedCharactersKeepTheirSource) {
  // U+1D15E is a note and a stem, and U+1D16D behind it another mark of the same run: all stay.
  constexpr BertNormalizer kStrip{false, false, true, false};
  std::vector<NormChar> chars;
  EXPECT_EQ(normalize(kStrip, utf8_of(U"\U0001d15e\U0001d16d"), &chars),
            utf8_of(U"\U0001d157\U0001d165\U0001d16d"));
  ASSERT_EQ(chars.size(), 3u);
  EXPECT_EQ(chars[1].begin, 0);
  EXPECT_EQ(chars[2].begin, 4);
}

TEST(Normalizer, NewMarksAreNotReordered) {
  // In Unicode 14 and later U+0898 has class 220 and U+08CA 230; the reference's table has neither.
  constexpr BertNormalizer kStrip{false, false, true, false};
  EXPECT_EQ(normalize(kStrip, utf8_of(U"a\u08ca\u0898")), utf8_of(U"a\u08ca\u0898"));
  EXPECT_EQ(normalize(kStrip, utf8_of(U"\U00011938")), utf8_of(U"\U00011938"));
}

// Column 3 of a row is NFD of columns 1, 2 and 3; the normalizer then drops the nonspacing marks.
TEST(Normalizer, AgreesWithUnicodesNormalizationTest) {
  const auto path = test::data_dir() / "unicode/NormalizationTest-14.0.0.txt";
  LINNET_NEEDS(path);
  const std::string text = test::read_whole(path);
  constexpr BertNormalizer kStrip{false, false, true, false};
  const auto column = [](std::string_view field) {
    std::istringstream hex{std::string(field)};
    std::u32string out;
    for (std::uint32_t c = 0; hex >> std::hex >> c;) out.push_back(c);
    return out;
  };
  // Marks that Unicode 14 orders and the reference's older table does not; it keeps U+11938 whole.
  const auto newer = [](char32_t c) {
    return c == 0x11938 ||
           ((unicode::table().classes(c) & unicode::kDecomposes) == 0 &&
            utf8proc_get_property(static_cast<utf8proc_int32_t>(c))->combining_class != 0);
  };
  std::int64_t rows = 0;
  for (const std::string_view line : test::split_lines(text)) {
    if (line.empty() || line[0] == '#' || line[0] == '@') continue;
    const std::size_t a = line.find(';'), b = line.find(';', a + 1), c = line.find(';', b + 1);
    const std::u32string source = column(line.substr(0, a)),
                         nfd = column(line.substr(b + 1, c - b - 1));
    std::u32string want;
    for (const char32_t x : nfd) {
      if ((unicode::table().classes(x) & unicode::kNonspacingMark) == 0) want.push_back(x);
    }
    if (std::any_of(source.begin(), source.end(), newer)) continue;
    EXPECT_EQ(normalize(kStrip, utf8_of(source)), utf8_of(want)) << line;
    ++rows;
  }
  EXPECT_EQ(rows, 18361);
}

}  // namespace
}  // namespace linnet::tokenizer
