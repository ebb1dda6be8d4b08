#pragma once

#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <vector>

// Two competitors on a shared machine: neither ever runs alone for long, so that a slow moment
// meets both. Ratios are reported, never absolute rates of different runs.
namespace linnet::bench {

struct Comparison {
  double ours = 0, theirs = 0;  // seconds per call: the least seen
  double ratio_p25 = 0,
         ratio_p50 = 0;  // theirs / ours, paired in each round; p25: the lower quartile
};

/// Seconds that this thread has run: what other programs take of the machine does not count, so
/// both competitors must work in the calling thread alone.
inline double now() {
  timespec t = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

/// Seconds on the wall, for competitors with threads of their own.
inline double wall() {
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(since).count();
}

/// Runs slices of about `slice` seconds of each in turn, `rounds` times.
template <class Ours, class Theirs>
Comparison interleave(Ours ours, Theirs theirs, int rounds, double slice, double (*clock)() = now) {
  const auto calls_of = [=](auto& f) {
    f();
    const double start = clock();
    int n = 0;
    do {
      f();
      ++n;
    } while (clock() - start < slice);
    return n;
  };
  const auto time = [=](auto& f, int calls) {
    const double start = clock();
    for (int i = 0; i < calls; ++i) f();
    return (clock() - start) / calls;
  };
  const int our_calls = calls_of(ours), their_calls = calls_of(theirs);
  Comparison c = {.ours = 1e9, .theirs = 1e9};
  std::vector<double> ratios;
  for (int i = 0; i < rounds; ++i) {
    double a = 0, b = 0;
    if (i % 2 == 0) {
      a = time(ours, our_calls);
      b = time(theirs, their_calls);
    } else {
      b = time(theirs, their_calls);
      a = time(ours, our_calls);
    }
    c.ours = std::min(c.ours, a);
    c.theirs = std::min(c.theirs, b);
    ratios.push_back(b / a);
  }
  std::sort(ratios.begin(), ratios.end());
  c.ratio_p25 = ratios[ratios.size() / 4];
  c.ratio_p50 = ratios[ratios.size() / 2];
  return c;
}

}  // namespace linnet::bench
