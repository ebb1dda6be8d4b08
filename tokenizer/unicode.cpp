#include "tokenizer/unicode.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <span>
#include <utility>

namespace linnet::tokenizer::unicode {
namespace {

namespace data {

struct Range {
  char32_t first, last;
};
struct LowerRun {
  char32_t first, last, step;
  std::int32_t delta;
};
#include "tokenizer/unicode_data.inc"

// Google's BERT begins its extension E at U+2B820; the reference's slip is part of what
// vocabularies and trained models have seen (huggingface/tokenizers issue 2395).
constexpr char32_t kExtensionEBegins = 0x2B920;
static_assert(kChinese[5].first == kExtensionEBegins);

}  // namespace data

// Fills a Table. Blocks of 256 characters share a page as long as they are equal; a change to a
// part of a block gives it a page of its own first.
class Builder {
 public:
  Builder(std::span<std::uint16_t> page_of, std::vector<Table::Page>& pages)
      : page_of_(page_of), pages_(pages) {
    new_page({}, kShared);
  }

  void add(char32_t first, char32_t last, char32_t step, Class bit) {
    std::map<std::uint16_t, std::uint16_t> marked;  // shared page -> the same with `bit` everywhere
    for (char32_t c = first; c <= last;) {
      const char32_t block = c >> 8, end = std::min<char32_t>(last, c | 0xFF);
      if (step == 1 && end - c == 0xFF && owner_[page_of_[block]] == kShared) {
        const auto [known, is_new] = marked.try_emplace(page_of_[block]);
        if (is_new) {
          known->second = new_page(pages_[page_of_[block]], kShared);
          for (std::uint16_t& classes : pages_[known->second]) classes |= bit;
        }
        page_of_[block] = known->second;
        c = end + 1;
        continue;
      }
      if (owner_[page_of_[block]] != block) {
        page_of_[block] = new_page(pages_[page_of_[block]], block);
      }
      for (; c <= end; c += step) pages_[page_of_[block]][c & 0xFF] |= bit;
    }
  }

  template <class Ranges>
  void add_all(const Ranges& ranges, Class bit) {
    for (const data::Range& r : ranges) add(r.first, r.last, 1, bit);
  }

 private:
  static constexpr char32_t kShared = 0xFFFFFFFF;

  std::uint16_t new_page(Table::Page page, char32_t owner) {
    pages_.push_back(page);
    owner_.push_back(owner);
    return static_cast<std::uint16_t>(pages_.size() - 1);
  }

  std::span<std::uint16_t> page_of_;
  std::vector<Table::Page>& pages_;
  std::vector<char32_t> owner_;  // the one block of a page, or kShared
};

}  // namespace

Table::Table() {
  Builder builder(page_of_, pages_);
  builder.add_all(data::kCleanRemoves, kCleanRemoves);
  builder.add_all(data::kWhitespace, kWhitespace);
  builder.add_all(data::kChinese, kChinese);
  builder.add_all(data::kPunctuation, kPunctuation);
  builder.add_all(data::kNonspacingMark, kNonspacingMark);
  builder.add_all(data::kDecomposes, kDecomposes);
  builder.add_all(data::kWord, kWord);
  builder.add_all(data::kLetter, kLetter);
  builder.add_all(data::kNumber, kNumber);
  for (const data::LowerRun& r : data::kLower) builder.add(r.first, r.last, r.step, kHasLower);
  builder.add(kCapitalDottedI, kCapitalDottedI, 1, kHasLower);
}

const Table& table() {
  static const Table t;
  return t;
}

char32_t lower(char32_t c) {
  if (c == kCapitalDottedI) return U'i';
  const auto* run =
      std::upper_bound(std::begin(data::kLower), std::end(data::kLower), c,
                       [](char32_t value, const data::LowerRun& r) { return value < r.first; });
  --run;
  return static_cast<char32_t>(static_cast<std::int32_t>(c) + run->delta);
}

}  // namespace linnet::tokenizer::unicode
