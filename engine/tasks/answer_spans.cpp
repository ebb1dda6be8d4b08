#include "engine/tasks/answer_spans.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "engine/core/assert.h"
#include "engine/core/math.h"
#include "weights/base/error.h"

namespace linnet {
namespace {

// Softmax over token 0 and the allowed tokens; the others get 0.
std::vector<double> probabilities(std::span<const float> logits,
                                  std::span<const std::uint8_t> allowed) {
  const auto counts = [&](std::size_t i) { return i == 0 || allowed[i] != 0; };
  float max = logits[0];
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (!std::isfinite(logits[i])) {
      throw Error(ErrorCode::kNumeric,
                  "question answering: the logit of token " + std::to_string(i) + " is not finite");
    }
    if (counts(i)) max = std::max(max, logits[i]);
  }
  std::vector<double> p(logits.size(), 0.0);
  double sum = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    if (counts(i)) sum += p[i] = math::exp(static_cast<double>(logits[i]) - max);
  }
  for (double& value : p) value /= sum;
  return p;
}

bool better(const Span& a, const Span& b) {
  if (a.score != b.score) return a.score > b.score;
  return a.first != b.first ? a.first < b.first : a.last < b.last;
}

}  // namespace

WindowSpans best_spans(const SpanLogits& window, std::int64_t count, std::int64_t max_tokens) {
  LINNET_ASSERT(!window.start.empty() && window.start.size() == window.end.size() &&
                window.start.size() == window.allowed.size());
  const std::vector<double> start = probabilities(window.start, window.allowed);
  const std::vector<double> end = probabilities(window.end, window.allowed);
  WindowSpans result;
  result.null_score = start[0] * end[0];

  // A heap of the `count` best, the worst of them on top.
  std::vector<Span>& best = result.best;
  const auto L = static_cast<std::int64_t>(start.size());
  for (std::int64_t first = 1; first < L; ++first) {
    const auto f = static_cast<std::size_t>(first);
    if (window.allowed[f] == 0) continue;
    for (std::int64_t last = first; last < std::min(L, first + max_tokens); ++last) {
      const auto l = static_cast<std::size_t>(last);
      const Span span{first, last, start[f] * end[l]};
      if (window.allowed[l] == 0 || span.score == 0) continue;
      best.push_back(span);
      std::push_heap(best.begin(), best.end(), better);
      if (static_cast<std::int64_t>(best.size()) > count) {
        std::pop_heap(best.begin(), best.end(), better);
        best.pop_back();
      }
    }
  }
  std::sort_heap(best.begin(), best.end(), better);
  return result;
}

}  // namespace linnet
