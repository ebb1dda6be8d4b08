#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace linnet {

/// One window of a question and its context: logits [L] of its tokens and which of them may be the
/// border of an answer (those of the context). Token 0 is the one that stands for "no answer".
struct SpanLogits {
  std::span<const float> start, end;
  std::span<const std::uint8_t> allowed;
};

/// An answer from token `first` to token `last` of a window, both included.
struct Span {
  std::int64_t first, last;
  double score;  // start probability · end probability
};

struct WindowSpans {
  std::vector<Span> best;  // best first, ties by the earlier first, then the earlier last token
  double null_score;       // score of "no answer"
};

/// The `count` best spans of one window, none longer than max_tokens. Probabilities are a softmax
/// over token 0 and the allowed tokens, as in the question-answering pipeline of transformers.
/// Spans of probability 0 are left out. Throws kNumeric when a logit is not finite.
WindowSpans best_spans(const SpanLogits& window, std::int64_t count, std::int64_t max_tokens);

}  // namespace linnet
