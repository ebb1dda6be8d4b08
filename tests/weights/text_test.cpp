#include "weights/base/text.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "weights/base/utf8.h"

namespace linnet {
namespace {

using namespace std::string_view_literals;

TEST(Text, QuotesWhatATerminalWouldObey) {
  EXPECT_EQ(quote("plain text 1"), "\"plain text 1\"");
  EXPECT_EQ(quote(""), "\"\"");
  EXPECT_EQ(quote("a\"b\\c"), R"("a\"b\\c")");
  EXPECT_EQ(quote("\x1b[2J\n\0\x7f"sv), R"("\u{001b}[2J\u{000a}\u{0000}\u{007f}")");
  EXPECT_EQ(quote("\u202Egnp.exe"), R"("\u{202e}gnp.exe")");  // right-to-left override
  EXPECT_EQ(quote("\u0085\u200B\u2066\uFEFF\uFFF9\u061C\u2028"),
            R"("\u{0085}\u{200b}\u{2066}\u{feff}\u{fff9}\u{061c}\u{2028}")");
  EXPECT_EQ(quote("\U000E0041"), R"("\u{0e0041}")");  // invisible tag letters
  EXPECT_EQ(quote("gr\u00FC\u00DFe \u4F60\u597D \U0001F600"),
            "\"gr\u00FC\u00DFe \u4F60\u597D \U0001F600\"");
}

TEST(Text, EscapesInvalidUtf8) {
  EXPECT_EQ(quote("a\xFF\xC3("), R"("a\xff\xc3(")");
  EXPECT_EQ(quote("\xED\xA0\x80"), R"("\xed\xa0\x80")");
}

TEST(Text, CutsLongTextAtACharacter) {
  EXPECT_EQ(quote("abcdef", 3), "\"abc\"…");
  EXPECT_EQ(quote("abc", 3), "\"abc\"");
  EXPECT_EQ(quote("ab\u00E4c", 3), "\"ab\u00E4\"…");
  EXPECT_LT(quote(std::string(1'000'000, 'x')).size(), 300u);
  EXPECT_EQ(printable("abcdef", 3), "abc…");
}

TEST(Text, PrintsPathsAsTheyAre) {
  EXPECT_EQ(printable("a \"b\"\\c/d"), "a \"b\"\\c/d");
  EXPECT_EQ(printable("a\x1b]0;x\a\xFF"), R"(a\u{001b}]0;x\u{0007}\xff)");
}

// Against the definition: the shortest of the four forms, no surrogate, at most 10FFFF.
TEST(Utf8, DecodesAndEncodesEveryScalar) {
  for (char32_t c = 0; c <= 0x110000; ++c) {
    std::string text;
    const bool scalar = c <= 0x10FFFF && !(c >= 0xD800 && c <= 0xDFFF);
    utf8_append(text, c);
    char32_t back = 0;
    const std::size_t n = utf8_decode(text, back);
    ASSERT_EQ(n, scalar ? text.size() : 0u) << static_cast<std::uint32_t>(c);
    if (!scalar) continue;
    ASSERT_EQ(back, c);
    ASSERT_EQ(n, c < 0x80 ? 1u : c < 0x800 ? 2u : c < 0x10000 ? 3u : 4u);
    ASSERT_EQ(utf8_length(text + "\x80"), n);
    if (n > 1) {
      ASSERT_EQ(utf8_length(std::string_view(text).substr(0, n - 1)), 0u);
    }
  }
}

TEST(Utf8, AcceptsTwoByteTextsOnlyWhereTheyAreOneCharacter) {
  for (int a = 0x80; a < 0x100; ++a) {
    for (int b = 0; b < 0x100; ++b) {
      const std::string text{static_cast<char>(a), static_cast<char>(b)};
      const bool good = a >= 0xC2 && a <= 0xDF && b >= 0x80 && b <= 0xBF;
      ASSERT_EQ(utf8_length(text), good ? 2u : 0u) << a << ' ' << b;
    }
  }
}

TEST(Utf8, RefusesOverlongForms) {
  for (const char* text : {"\xC0\x80", "\xC1\xBF", "\xE0\x80\x80", "\xE0\x9F\xBF",
                           "\xF0\x80\x80\x80", "\xF0\x8F\xBF\xBF", "\xF8\x88\x80\x80\x80"}) {
    EXPECT_EQ(utf8_length(text), 0u) << text;
  }
}

}  // namespace
}  // namespace linnet
