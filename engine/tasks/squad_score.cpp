#include "engine/tasks/squad_score.h"

#include <algorithm>
#include <iterator>
#include <limits>

#include "engine/core/assert.h"
#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"

namespace linnet {
namespace {

namespace unicode = tokenizer::unicode;
namespace utf8 = tokenizer::utf8;

bool is_ascii_punctuation(char32_t c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
         (c >= '{' && c <= '~');
}

// What Python's str.split() splits at: White_Space and the four separators of ASCII.
bool is_space(char32_t c) {
  return (c >= 0x1C && c <= 0x1F) || (unicode::table().classes(c) & unicode::kWhitespace) != 0;
}

bool is_word(char32_t c) {
  return c == '_' || (unicode::table().classes(c) & (unicode::kLetter | unicode::kNumber)) != 0;
}

// Lower case, without punctuation.
std::u32string simplified(const std::string& text) {
  std::u32string out;
  const auto size = static_cast<std::int64_t>(text.size());
  for (std::int64_t at = 0; at < size; at += utf8::length_of(text[static_cast<std::size_t>(at)])) {
    const char32_t c = utf8::decode(text, at);
    if (is_ascii_punctuation(c)) continue;
    out += (unicode::table().classes(c) & unicode::kHasLower) != 0 ? unicode::lower(c) : c;
    if (c == unicode::kCapitalDottedI) out += unicode::kDotAbove;
  }
  return out;
}

bool is_article(std::u32string_view word) {
  return word == U"a" || word == U"an" || word == U"the";
}

double percent(double sum, std::int64_t questions) {
  return questions == 0 ? std::numeric_limits<double>::quiet_NaN()
                        : 100 * sum / static_cast<double>(questions);
}

}  // namespace

std::vector<std::string> answer_words(std::string_view text) {
  const std::u32string simple = simplified(utf8::replace_invalid(text));
  std::vector<std::string> words;
  std::string word;
  const auto finish = [&] {
    if (!word.empty()) words.push_back(std::move(word));
    word.clear();
  };
  for (std::size_t at = 0; at < simple.size();) {
    std::size_t end = at;
    while (end < simple.size() && is_word(simple[end])) ++end;
    const std::u32string_view run = std::u32string_view(simple).substr(at, end - at);
    if (is_article(run)) {
      finish();
    } else {
      for (const char32_t c : run) utf8::append(word, c);
    }
    for (; end < simple.size() && !is_word(simple[end]); ++end) {
      if (is_space(simple[end])) {
        finish();
      } else {
        utf8::append(word, simple[end]);
      }
    }
    at = end;
  }
  finish();
  return words;
}

bool exact_match(std::span<const std::string> predicted, std::span<const std::string> gold) {
  return std::equal(predicted.begin(), predicted.end(), gold.begin(), gold.end());
}

double word_f1(std::span<const std::string> predicted, std::span<const std::string> gold,
               SquadVersion version) {
  if (predicted.empty() || gold.empty()) {
    return version == SquadVersion::kTwo && predicted.empty() && gold.empty() ? 1 : 0;
  }
  std::vector<std::string_view> a(predicted.begin(), predicted.end()), b(gold.begin(), gold.end());
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  std::vector<std::string_view> both;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
  if (both.empty()) return 0;
  const auto common = static_cast<double>(both.size());
  const double precision = common / static_cast<double>(a.size());
  const double recall = common / static_cast<double>(b.size());
  return 2 * precision * recall / (precision + recall);
}

double SquadSums::exact_percent() const { return percent(static_cast<double>(exact), questions); }

double SquadSums::f1_percent() const { return percent(f1, questions); }

void SquadScore::add(std::string_view predicted, std::span<const std::string_view> gold) {
  LINNET_ASSERT(version_ == SquadVersion::kTwo || !gold.empty());
  const std::vector<std::string> words = answer_words(predicted);
  std::vector<std::vector<std::string>> answers;
  for (const std::string_view answer : gold) {
    std::vector<std::string> of_answer = answer_words(answer);
    const bool counts = version_ == SquadVersion::kOne || !of_answer.empty();
    if (counts) answers.push_back(std::move(of_answer));
  }
  if (answers.empty()) answers.emplace_back();
  bool exact = false;
  double f1 = 0;
  for (const std::vector<std::string>& answer : answers) {
    exact = exact || exact_match(words, answer);
    f1 = std::max(f1, word_f1(words, answer, version_));
  }
  SquadSums& sums = gold.empty() ? unanswerable_ : answerable_;
  ++sums.questions;
  sums.exact += exact ? 1 : 0;
  sums.f1 += f1;
}

SquadSums SquadScore::all() const {
  return {answerable_.questions + unanswerable_.questions, answerable_.exact + unanswerable_.exact,
          answerable_.f1 + unanswerable_.f1};
}

}  // namespace linnet
