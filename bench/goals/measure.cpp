#include "bench/goals/measure.h"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <type_traits>

#include "bench/against/onednn.h"
#include "tools/bench/shapes.h"

namespace linnet::bench {
namespace {

using kernels::Isa;

std::vector<Product> products(Shapes shapes) {
  if (shapes == Shapes::kVocabulary) return {kVocabulary};
  if (shapes == Shapes::kSquare) return {kBertBase[0]};
  std::vector<Product> out(kProducts.begin(), kProducts.end());
  if (shapes == Shapes::kInL2) {
    const std::int64_t most = sysconf(_SC_LEVEL2_CACHE_SIZE) / 4 * 3;
    std::erase_if(out, [most](const Product& p) { return p.N * p.K > most; });
  }
  return out;
}

Compared run_cell(const Goal& goal, const GemmProblem& problem, int rounds) {
  switch (goal.rival) {
    case Rival::kLibrary:
      return compare(problem, kOneDnn, rounds);
    case Rival::kOneThread:
      return compare_threads(problem, rounds);
    case Rival::kOurF32:
      return compare_f32(problem, rounds);
  }
  return {};
}

/// In the child: every cell, written as it is.
void run_cells(const Goal& goal, int rounds, int out) {
  static_assert(std::is_trivially_copyable_v<Compared>);
  const Isa isa = goal.isa == Isa::kReference ? kernels::supported_isas().back() : goal.isa;
  if (goal.pages == PageSize::k4K) prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
  if (goal.rival == Rival::kLibrary) kOneDnn.cap(isa);
  for (const std::int64_t M : goal.rows) {
    if (M == 0) continue;
    for (const Product& p : products(goal.shapes)) {
      GemmProblem problem = {.type = goal.type, .isa = isa, .M = M, .N = p.N, .K = p.K};
      problem.copies = goal.cold ? cold_copies(goal.type, p.N, p.K) : 1;
      problem.pages = goal.pages;
      problem.epilogue = goal.epilogue;
      problem.non_negative = goal.type == NumberType::kS8 && isa < Isa::kAvx512;
      const Compared cell = run_cell(goal, problem, rounds);
      if (write(out, &cell, sizeof(cell)) != sizeof(cell)) return;
    }
  }
}

double value_of(Quantity quantity, const Compared& c) {
  switch (quantity) {
    case Quantity::kRatio:
      return c.ratio_p25;
    case Quantity::kPeakShare:
      return c.gops / c.peak_gops;
    case Quantity::kGops:
      return c.gops;
    case Quantity::kMemoryShare:
      return c.weights_gbytes / c.memory_gbytes;
  }
  return 0;
}

}  // namespace

Machine machine_kind() {
  return kernels::supported_isas().back() == Isa::kAmx ? Machine::kAmx : Machine::kAvx512Vnni;
}

bool measurable(const Goal& goal, Machine machine) {
  const std::span<const Isa> here = kernels::supported_isas();
  const bool amx = here.back() == Isa::kAmx;
  if (goal.isa != Isa::kReference) {
    if (std::find(here.begin(), here.end(), goal.isa) == here.end()) return false;
  } else if (here.back() < Isa::kAvx512Vnni) {
    return false;
  }
  if (goal.type == NumberType::kBf16 && !amx && !kernels::has_avx512_bf16()) return false;
  return amx == (machine == Machine::kAmx);
}

std::vector<Compared> measure(const Goal& goal, int rounds) {
  int ends[2] = {};
  std::fflush(nullptr);
  if (pipe(ends) != 0) return {};
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    try {
      run_cells(goal, rounds, ends[1]);
    } catch (const std::exception& e) {
      std::fprintf(stderr, "%s: %s\n", goal.what, e.what());
      _exit(1);
    }
    _exit(0);
  }
  close(ends[1]);
  std::vector<Compared> cells;
  for (Compared cell; child > 0 && read(ends[0], &cell, sizeof(cell)) == sizeof(cell);) {
    cells.push_back(cell);
  }
  close(ends[0]);
  int status = 0;
  const bool done = child > 0 && waitpid(child, &status, 0) == child && status == 0;
  if (!done) cells.clear();
  return cells;
}

Outcome outcome(const Target& target, const std::vector<Compared>& cells) {
  Outcome out;
  double log_sum = 0, log_share = 0;
  for (const Compared& c : cells) {
    log_share += std::log(value_of(Quantity::kPeakShare, c));
    const double value = value_of(target.quantity, c);
    log_sum += std::log(value);
    if (out.worst_cell.N == 1 || value < out.worst) out.worst = value, out.worst_cell = c.problem;
  }
  out.value = std::exp(log_sum / static_cast<double>(cells.size()));
  out.peak_share = std::exp(log_share / static_cast<double>(cells.size()));
  const bool right =
      std::all_of(cells.begin(), cells.end(), [](const Compared& c) { return c.agrees; });
  out.reached = right && out.value >= target.goal && out.worst >= target.floor;
  return out;
}

}  // namespace linnet::bench
