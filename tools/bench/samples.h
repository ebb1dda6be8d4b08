#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace linnet::bench {

/// Times of one thing, nanoseconds a call, in the order they were taken.
struct Samples {
  std::vector<double> ns;

  /// The time that a share `q` of the samples does not exceed; q in [0, 1).
  double quantile(double q) const {
    std::vector<double> sorted = ns;
    std::sort(sorted.begin(), sorted.end());
    return sorted[static_cast<std::size_t>(q * static_cast<double>(sorted.size()))];
  }
  double min() const { return *std::min_element(ns.begin(), ns.end()); }
  double mean() const {
    double sum = 0;
    for (const double x : ns) sum += x;
    return sum / static_cast<double>(ns.size());
  }
  /// With Bessel's correction; 0 for one sample.
  double deviation() const {
    if (ns.size() < 2) return 0;
    const double mu = mean();
    double sum = 0;
    for (const double x : ns) sum += (x - mu) * (x - mu);
    return std::sqrt(sum / static_cast<double>(ns.size() - 1));
  }
};

/// The ratios of times that were taken in the same turns.
inline Samples paired(const Samples& a, const Samples& b) {
  Samples ratios;
  for (std::size_t i = 0; i < a.ns.size(); ++i) ratios.ns.push_back(a.ns[i] / b.ns[i]);
  return ratios;
}

}  // namespace linnet::bench
