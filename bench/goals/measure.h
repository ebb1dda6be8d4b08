#pragma once

#include <string>
#include <vector>

#include "bench/against/compare.h"
#include "bench/goals/goals.h"

namespace linnet::bench {

/// The kind of this machine.
Machine machine_kind();

/// Whether this machine has what the goal is about.
bool measurable(const Goal& goal, Machine machine);

/// Its cells, measured in a process of their own: another library can be capped only once in each,
/// and a page size holds for the whole process. Empty when that process fails.
std::vector<Compared> measure(const Goal& goal, int rounds);

/// What a target says of the cells.
struct Outcome {
  double value = 0;  // geometric mean
  double worst = 0;
  double peak_share = 0;  // geometric mean
  GemmProblem worst_cell = {};
  bool reached = false;
};
Outcome outcome(const Target& target, const std::vector<Compared>& cells);

}  // namespace linnet::bench
