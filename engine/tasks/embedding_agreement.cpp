#include "engine/tasks/embedding_agreement.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "weights/base/error.h"

namespace linnet {
namespace {

// 8 partial sums: independent of the compiler, and quick enough for all pairs.
double dot(const double* a, const double* b, std::int64_t D) {
  std::array<double, 8> partial{};
  std::int64_t d = 0;
  for (; d + 8 <= D; d += 8) {
    for (std::size_t i = 0; i < 8; ++i) {
      partial[i] += a[d + static_cast<std::int64_t>(i)] * b[d + static_cast<std::int64_t>(i)];
    }
  }
  for (std::size_t i = 0; d < D; ++d, ++i) partial[i] += a[d] * b[d];
  return std::accumulate(partial.begin(), partial.end(), 0.0);
}

// Rows of length 1.
std::vector<double> unit_rows(Mat<const float> m) {
  std::vector<double> unit(static_cast<std::size_t>(m.rows * m.cols));
  for (std::int64_t r = 0; r < m.rows; ++r) {
    double* row = unit.data() + r * m.cols;
    std::copy(m.row(r), m.row(r) + m.cols, row);
    const double length = std::sqrt(dot(row, row, m.cols));
    if (!std::isfinite(length) || length == 0) {
      throw Error(ErrorCode::kNumeric, "embeddings: row " + std::to_string(r) +
                                           " has no direction: length " + std::to_string(length));
    }
    for (std::int64_t d = 0; d < m.cols; ++d) row[d] /= length;
  }
  return unit;
}

// Cosines of all pairs i < j, and the nearest other row of each.
struct Pairs {
  std::vector<double> cosines;
  std::vector<std::int64_t> nearest;

  Pairs(const std::vector<double>& unit, std::int64_t rows, std::int64_t D)
      : nearest(static_cast<std::size_t>(rows), -1) {
    std::vector<double> best(nearest.size(), -2);
    cosines.reserve(static_cast<std::size_t>(rows * (rows - 1) / 2));
    for (std::int64_t i = 0; i < rows; ++i) {
      for (std::int64_t j = i + 1; j < rows; ++j) {
        const double cosine = dot(unit.data() + i * D, unit.data() + j * D, D);
        cosines.push_back(cosine);
        for (const auto& [row, other] : {std::pair{i, j}, std::pair{j, i}}) {
          const auto at = static_cast<std::size_t>(row);
          if (cosine > best[at]) best[at] = cosine, nearest[at] = other;
        }
      }
    }
  }
};

std::vector<double> ranks(const std::vector<double>& values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  std::vector<double> rank(values.size());
  for (std::size_t begin = 0; begin < order.size();) {
    std::size_t end = begin + 1;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    const double mean = static_cast<double>(begin + end - 1) / 2;
    for (; begin < end; ++begin) rank[order[begin]] = mean;
  }
  return rank;
}

double correlation(const std::vector<double>& x, const std::vector<double>& y) {
  const double middle = static_cast<double>(x.size() - 1) / 2;  // the mean of all ranks
  double xy = 0, xx = 0, yy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xy += (x[i] - middle) * (y[i] - middle);
    xx += (x[i] - middle) * (x[i] - middle);
    yy += (y[i] - middle) * (y[i] - middle);
  }
  return xx > 0 && yy > 0 ? xy / std::sqrt(xx * yy) : 0;
}

}  // namespace

EmbeddingAgreement compare_embeddings(Mat<const float> a, Mat<const float> b) {
  if (a.rows != b.rows || a.cols != b.cols || a.rows < 3) {
    throw Error(ErrorCode::kInvalidArgument,
                "embeddings: " + std::to_string(a.rows) + " rows of " + std::to_string(a.cols) +
                    " and " + std::to_string(b.rows) + " of " + std::to_string(b.cols) +
                    ", expected as many of both, at least 3");
  }
  const std::vector<double> x = unit_rows(a), y = unit_rows(b);
  std::vector<double> cosines(static_cast<std::size_t>(a.rows));
  for (std::size_t r = 0; r < cosines.size(); ++r) {
    const std::size_t begin = r * static_cast<std::size_t>(a.cols);
    cosines[r] = dot(x.data() + begin, y.data() + begin, a.cols);
  }
  const Pairs of_x(x, a.rows, a.cols), of_y(y, a.rows, a.cols);
  std::size_t kept = 0;
  for (std::size_t r = 0; r < cosines.size(); ++r) kept += of_x.nearest[r] == of_y.nearest[r];

  EmbeddingAgreement agreement;
  const auto texts = static_cast<double>(cosines.size());
  agreement.mean_cosine = std::accumulate(cosines.begin(), cosines.end(), 0.0) / texts;
  std::sort(cosines.begin(), cosines.end());
  agreement.least_cosine = cosines.front();
  agreement.low_cosine = cosines[cosines.size() / 100];
  agreement.neighbours_kept = static_cast<double>(kept) / texts;
  agreement.spearman = correlation(ranks(of_x.cosines), ranks(of_y.cosines));
  return agreement;
}

}  // namespace linnet
