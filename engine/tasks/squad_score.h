#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// The official scores of extractive question answering on SQuAD: exact match and F1 of words.
// Sources: Rajpurkar et al. 2016 (v1.1), Rajpurkar et al. 2018 (v2.0) and the evaluation scripts
// published with them.
namespace linnet {

/// kOne: every question has an answer. kTwo: some have none, and "" says so.
enum class SquadVersion { kOne, kTwo };

/// The words that count: lower case, without the 32 ASCII punctuation characters and then without
/// the words a, an and the, split at white space. A word here is a run of letters, numbers and
/// "_". Each character is lowered by itself. Bytes that are not UTF-8 count as U+FFFD.
std::vector<std::string> answer_words(std::string_view text);

/// Whether two answers are the same words in the same order.
bool exact_match(std::span<const std::string> predicted, std::span<const std::string> gold);

/// 2pr/(p + r) of the words that both have, as often as both have them. With no word on one side:
/// of kOne 0, of kTwo 1 when both are empty and else 0.
double word_f1(std::span<const std::string> predicted, std::span<const std::string> gold,
               SquadVersion version);

/// Sums over the questions of one kind.
struct SquadSums {
  std::int64_t questions = 0, exact = 0;
  double f1 = 0;

  /// Per cent; NaN of no question.
  double exact_percent() const;
  double f1_percent() const;
};

/// The scores of a data set. Each question counts with its best gold answer.
class SquadScore {
 public:
  explicit SquadScore(SquadVersion version) : version_(version) {}

  /// Of kTwo, gold answers without a word do not count, and a question that is left with none has
  /// the gold answer "". Of kOne there is at least one.
  void add(std::string_view predicted, std::span<const std::string_view> gold);

  SquadVersion version() const { return version_; }
  const SquadSums& answerable() const { return answerable_; }
  const SquadSums& unanswerable() const { return unanswerable_; }
  SquadSums all() const;

 private:
  SquadVersion version_;
  SquadSums answerable_, unanswerable_;
};

}  // namespace linnet
