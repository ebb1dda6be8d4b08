#pragma once

#include "tools/bench/interleave.h"
#include "tools/bench/opponent.h"

namespace linnet::bench {

/// One product against a competitor.
struct Compared {
  GemmProblem problem;
  double ratio_p25 = 0, ratio_p50 = 0;  // of the competitor's time to ours, paired
  double gops = 0, their_gops = 0;      // from the least time seen
  double peak_gops = 0;                 // of the threads that ours ran on
  double weights_gbytes = 0;            // read a second by ours
  double memory_gbytes = 0;             // what a thread reads linearly, probed beside; cold alone
  double difference = 0;                // of the results, the greatest
  bool agrees = false;                  // ours with the reference level
};

/// kSlice seconds of each in turn, `rounds` times. One thread each.
Compared compare(const GemmProblem& problem, const OpponentLibrary& library, int rounds);

/// The same product on two threads and on one: the ratio is the gain.
Compared compare_threads(const GemmProblem& problem, int rounds);

/// Against our own FP32 product of the same level.
Compared compare_f32(const GemmProblem& problem, int rounds);

}  // namespace linnet::bench
