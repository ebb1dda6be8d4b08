#include "engine/tasks/metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "engine/core/assert.h"

namespace linnet {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

std::vector<double> ranks(std::span<const double> x) {
  std::vector<std::size_t> order(x.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return x[a] < x[b]; });
  std::vector<double> rank(x.size());
  for (std::size_t begin = 0; begin < order.size();) {
    std::size_t end = begin + 1;
    while (end < order.size() && x[order[end]] == x[order[begin]]) ++end;
    const double mean = static_cast<double>(begin + end - 1) / 2 + 1;
    for (; begin < end; ++begin) rank[order[begin]] = mean;
  }
  return rank;
}

}  // namespace

double accuracy(std::span<const std::int64_t> answers, std::span<const std::int64_t> labels) {
  LINNET_ASSERT(answers.size() == labels.size());
  if (labels.empty()) return kNan;
  std::int64_t right = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) right += answers[i] == labels[i] ? 1 : 0;
  return static_cast<double>(right) / static_cast<double>(labels.size());
}

double f1_score(std::span<const std::int64_t> answers, std::span<const std::int64_t> labels,
                std::int64_t positive) {
  LINNET_ASSERT(answers.size() == labels.size());
  std::int64_t both = 0, either = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const bool answered = answers[i] == positive, is = labels[i] == positive;
    both += answered && is ? 1 : 0;
    either += (answered ? 1 : 0) + (is ? 1 : 0);
  }
  return either == 0 ? 0 : 2 * static_cast<double>(both) / static_cast<double>(either);
}

double macro_f1(std::span<const std::int64_t> answers, std::span<const std::int64_t> labels,
                std::int64_t classes) {
  double sum = 0;
  std::int64_t present = 0;
  for (std::int64_t c = 0; c < classes; ++c) {
    const bool is_there = std::find(answers.begin(), answers.end(), c) != answers.end() ||
                          std::find(labels.begin(), labels.end(), c) != labels.end();
    if (!is_there) continue;
    ++present;
    sum += f1_score(answers, labels, c);
  }
  return present == 0 ? kNan : sum / static_cast<double>(present);
}

MultiLabelScores multi_label_scores(std::span<const std::int64_t> answers,
                                    std::span<const std::int64_t> labels, std::int64_t classes) {
  LINNET_ASSERT(answers.size() == labels.size());
  const auto C = static_cast<std::size_t>(classes);
  const std::size_t rows = labels.size() / C;
  MultiLabelScores scores{kNan, f1_score(answers, labels), kNan};
  if (rows == 0) return scores;
  std::int64_t right = 0;
  for (std::size_t r = 0; r < rows; ++r) {
    const auto mine = answers.subspan(r * C, C), wanted = labels.subspan(r * C, C);
    right += std::equal(mine.begin(), mine.end(), wanted.begin()) ? 1 : 0;
  }
  scores.accuracy = static_cast<double>(right) / static_cast<double>(rows);
  scores.f1_macro = 0;
  std::vector<std::int64_t> mine(rows), wanted(rows);
  for (std::size_t c = 0; c < C; ++c) {
    for (std::size_t r = 0; r < rows; ++r) {
      mine[r] = answers[r * C + c];
      wanted[r] = labels[r * C + c];
    }
    scores.f1_macro += f1_score(mine, wanted) / static_cast<double>(C);
  }
  return scores;
}

double matthews(std::span<const std::int64_t> answers, std::span<const std::int64_t> labels,
                std::int64_t classes) {
  LINNET_ASSERT(answers.size() == labels.size());
  const auto n = static_cast<double>(labels.size());
  std::vector<double> answered(static_cast<std::size_t>(classes)), is(answered.size());
  double right = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    ++answered[static_cast<std::size_t>(answers[i])];
    ++is[static_cast<std::size_t>(labels[i])];
    right += answers[i] == labels[i] ? 1 : 0;
  }
  double cross = 0, squares_answered = 0, squares_is = 0;
  for (std::size_t c = 0; c < is.size(); ++c) {
    cross += answered[c] * is[c];
    squares_answered += answered[c] * answered[c];
    squares_is += is[c] * is[c];
  }
  const double below = (n * n - squares_answered) * (n * n - squares_is);
  return below == 0 ? 0 : (right * n - cross) / std::sqrt(below);
}

double pearson(std::span<const double> x, std::span<const double> y) {
  LINNET_ASSERT(x.size() == y.size());
  if (x.empty()) return kNan;
  const auto n = static_cast<double>(x.size());
  const double mean_x = std::accumulate(x.begin(), x.end(), 0.0) / n;
  const double mean_y = std::accumulate(y.begin(), y.end(), 0.0) / n;
  double xx = 0, yy = 0, xy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double a = x[i] - mean_x, b = y[i] - mean_y;
    xx += a * a, yy += b * b, xy += a * b;
  }
  return xx == 0 || yy == 0 ? kNan : std::clamp(xy / (std::sqrt(xx) * std::sqrt(yy)), -1.0, 1.0);
}

double spearman(std::span<const double> x, std::span<const double> y) {
  return pearson(ranks(x), ranks(y));
}

}  // namespace linnet
