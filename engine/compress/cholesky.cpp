// Columns are taken in panels: the panel is finished, then what stands to its right and below it
// loses the panel's products.
#include "engine/compress/cholesky.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace linnet::compress {
namespace {

constexpr std::int64_t kPanel = 64;

// One row of a panel, columns [begin, end): forward substitution with the rows above.
void substitute(double* row, const double* a, std::int64_t n, std::int64_t begin,
                std::int64_t end) {
  for (std::int64_t j = begin; j < end; ++j) {
    double sum = row[j];
    for (std::int64_t t = begin; t < j; ++t) sum -= row[t] * a[j * n + t];
    row[j] = sum / a[j * n + j];
  }
}

bool factor_diagonal(double* a, std::int64_t n, std::int64_t begin, std::int64_t end) {
  for (std::int64_t i = begin; i < end; ++i) {
    double* row = a + i * n;
    substitute(row, a, n, begin, i);
    double pivot = row[i];
    for (std::int64_t t = begin; t < i; ++t) pivot -= row[t] * row[t];
    if (!(pivot > 0) || !std::isfinite(pivot)) return false;
    row[i] = std::sqrt(pivot);
  }
  return true;
}

// row[end .. last] -= row[begin .. end) · columns, which hold the panel transposed: [kPanel, n].
// Four columns at a time save loads and stores of the row.
void subtract(double* row, const double* columns, std::int64_t n, std::int64_t begin,
              std::int64_t end, std::int64_t last) {
  for (std::int64_t t = begin; t < end; t += 4) {
    const double *c0 = columns + (t - begin) * n, *c1 = c0 + n, *c2 = c1 + n, *c3 = c2 + n;
    const double f0 = row[t], f1 = row[t + 1], f2 = row[t + 2], f3 = row[t + 3];
    for (std::int64_t j = end; j <= last; ++j) {
      row[j] = row[j] - ((f0 * c0[j] + f1 * c1[j]) + (f2 * c2[j] + f3 * c3[j]));
    }
  }
}

}  // namespace

bool cholesky(Threads& threads, double* a, std::int64_t n) {
  std::vector<double> columns(static_cast<std::size_t>(kPanel * n));
  for (std::int64_t begin = 0; begin < n; begin += kPanel) {
    const std::int64_t end = std::min(begin + kPanel, n), below = n - end;
    if (!factor_diagonal(a, n, begin, end)) return false;
    if (below == 0) return true;  // below a panel that is not the last, it is full
    parallel_for(threads, below, 16, [&](std::int64_t from, std::int64_t to, int) {
      for (std::int64_t i = end + from; i < end + to; ++i) {
        substitute(a + i * n, a, n, begin, end);
        for (std::int64_t t = begin; t < end; ++t)
          columns[static_cast<std::size_t>((t - begin) * n + i)] = a[i * n + t];
      }
    });
    // Row i costs i: the first is taken together with the last.
    parallel_for(threads, (below + 1) / 2, 8, [&](std::int64_t from, std::int64_t to, int) {
      for (std::int64_t m = from; m < to; ++m) {
        const std::int64_t first = end + m, last = n - 1 - m;
        subtract(a + first * n, columns.data(), n, begin, end, first);
        if (last != first) subtract(a + last * n, columns.data(), n, begin, end, last);
      }
    });
  }
  return true;
}

}  // namespace linnet::compress
