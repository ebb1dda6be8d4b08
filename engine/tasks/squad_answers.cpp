#include "engine/tasks/squad_answers.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include "engine/core/assert.h"
#include "weights/base/error.h"

namespace linnet {
namespace {

// Indices of the `count` largest logits, ties by the smaller index.
std::vector<std::int64_t> largest(std::span<const float> logits, std::int64_t count) {
  std::vector<std::int64_t> indices(logits.size());
  std::iota(indices.begin(), indices.end(), 0);
  const auto n = std::min(count, static_cast<std::int64_t>(logits.size()));
  std::partial_sort(indices.begin(), indices.begin() + n, indices.end(),
                    [&](std::int64_t a, std::int64_t b) {
                      const float x = logits[static_cast<std::size_t>(a)];
                      const float y = logits[static_cast<std::size_t>(b)];
                      return x != y ? x > y : a < b;
                    });
  indices.resize(static_cast<std::size_t>(n));
  return indices;
}

double at(std::span<const float> logits, std::int64_t i) {
  return logits[static_cast<std::size_t>(i)];
}

}  // namespace

void SquadSpans::add(std::span<const float> start, std::span<const float> end,
                     std::span<const std::uint8_t> in_context) {
  LINNET_ASSERT(!start.empty() && start.size() == end.size() && start.size() == in_context.size());
  for (std::size_t i = 0; i < start.size(); ++i) {
    if (!std::isfinite(start[i]) || !std::isfinite(end[i])) {
      throw Error(ErrorCode::kNumeric,
                  "question answering: the logit of token " + std::to_string(i) + " is not finite");
    }
  }
  const double null_score = at(start, 0) + at(end, 0);
  if (windows_ == 0 || null_score < answers_.null_score) {
    answers_.null_score = null_score;
    answers_.null_window = windows_;
  }
  const std::vector<std::int64_t> lasts = largest(end, n_best_size_);
  for (const std::int64_t first : largest(start, n_best_size_)) {
    for (const std::int64_t last : lasts) {
      const bool inside = in_context[static_cast<std::size_t>(first)] != 0 &&
                          in_context[static_cast<std::size_t>(last)] != 0;
      if (!inside || last < first || last - first >= max_answer_length_) continue;
      answers_.best.push_back({windows_, first, last, at(start, first) + at(end, last)});
    }
  }
  ++windows_;
}

SquadAnswers SquadSpans::finish() {
  LINNET_ASSERT(windows_ > 0);
  std::vector<LogitSpan>& best = answers_.best;
  std::stable_sort(best.begin(), best.end(),
                   [](const LogitSpan& a, const LogitSpan& b) { return a.score > b.score; });
  if (static_cast<std::int64_t>(best.size()) > n_best_size_) {
    best.resize(static_cast<std::size_t>(n_best_size_));
  }
  return std::move(answers_);
}

}  // namespace linnet
