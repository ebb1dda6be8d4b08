#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace linnet {

/// A span of tokens in one of the windows of a question.
struct LogitSpan {
  std::int64_t window = 0, first = 0, last = 0;  // tokens, both included
  double score = 0;                              // start logit + end logit
};

struct SquadAnswers {
  std::vector<LogitSpan> best;   // best first, at most n_best_size
  double null_score = 0;         // smallest start[0] + end[0] of the windows
  std::int64_t null_window = 0;  // the first window that has it
};

/// Collects the spans of a question's windows as evaluations on SQuAD 2.0 do (run_qa of the
/// transformers examples): of each window the n_best_size best starts with the n_best_size best
/// ends, without the spans that leave the context, end before they begin, or have more than
/// max_answer_length tokens. Scores are sums of logits and compete across windows.
class SquadSpans {
 public:
  SquadSpans(std::int64_t n_best_size, std::int64_t max_answer_length)
      : n_best_size_(n_best_size), max_answer_length_(max_answer_length) {}

  /// Logits [L] of the next window and which tokens are context. Token 0 stands for "no answer".
  /// Throws kNumeric when a logit is not finite.
  void add(std::span<const float> start, std::span<const float> end,
           std::span<const std::uint8_t> in_context);

  /// At least one window was added.
  SquadAnswers finish();

 private:
  std::int64_t n_best_size_, max_answer_length_;
  std::int64_t windows_ = 0;
  SquadAnswers answers_;
};

}  // namespace linnet
