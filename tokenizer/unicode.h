#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace linnet::tokenizer::unicode {

/// Classes of a character, as bits. Which characters are in which class is the reference's doing,
/// an old Unicode version for some and a new one for others: see unicode_data.inc.
enum Class : std::uint16_t {
  kCleanRemoves = 1,     ///< clean_text drops it
  kWhitespace = 2,       ///< White_Space; clean_text makes those it does not drop U+0020
  kChinese = 4,          ///< gets a space on both sides
  kPunctuation = 8,      ///< a word of its own
  kNonspacingMark = 16,  ///< strip_accents drops it after decomposition
  kDecomposes = 32,      ///< NFD changes it, or may move it (combining class not 0)
  kWord = 64,            ///< part of a word, for single_word
  kHasLower = 128,       ///< lower() is another character
  kLetter = 256,         ///< \p{L} of the byte-level pre-tokenizer
  kNumber = 512,         ///< \p{N}: digits, letter numbers and the others
};

/// The classes of all characters: a page index over the upper bits and pages of 256 characters,
/// equal pages stored once. One look-up serves every class.
class Table {
 public:
  using Page = std::array<std::uint16_t, 256>;
  Table();
  std::uint16_t classes(char32_t c) const { return pages_[page_of_[c >> 8]][c & 0xFF]; }

 private:
  std::array<std::uint16_t, 0x1100> page_of_{};
  std::vector<Page> pages_;
};

/// The table, built when it is first asked for.
const Table& table();

/// The lower case of a character with kHasLower, mapped for itself alone (no final sigma). U+0130
/// gives only its first character, 'i': the second is U+0307.
char32_t lower(char32_t c);

inline constexpr char32_t kCapitalDottedI = 0x130;
inline constexpr char32_t kDotAbove = 0x307;

}  // namespace linnet::tokenizer::unicode
