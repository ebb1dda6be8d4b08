#include "bench/against/compare.h"

#include <algorithm>

#include "tools/bench/machine.h"

namespace linnet::bench {
namespace {

constexpr double kSlice = 1.5e-3;  // seconds

double memory_beside(const GemmProblem& p) { return p.copies > 1 ? memory_gbytes() : 0; }

/// Fills in what the times say.
void rate(Compared& out, const GemmCase& ours, const Comparison& times, int threads) {
  const GemmProblem& p = out.problem;
  // 2 operations for each product and its sum; the weights are read once.
  const double gop = 2e-9 * static_cast<double>(p.M * p.N * p.K);
  out.ratio_p25 = times.ratio_p25, out.ratio_p50 = times.ratio_p50;
  out.gops = gop / times.ours, out.their_gops = gop / times.theirs;
  out.peak_gops = std::max(out.peak_gops, peak_gops(p.type, p.isa)) * threads;
  out.weights_gbytes = 1e-9 * static_cast<double>(ours.weight_bytes()) / times.ours;
  out.memory_gbytes = std::max(out.memory_gbytes, memory_beside(p));
  out.agrees = ours.agrees();
}

/// Ours ready, with the probes before the race.
Compared begin(const GemmProblem& problem) {
  return {.problem = problem,
          .peak_gops = peak_gops(problem.type, problem.isa),
          .memory_gbytes = memory_beside(problem)};
}

}  // namespace

Compared compare(const GemmProblem& problem, const OpponentLibrary& library, int rounds) {
  Compared out = begin(problem);
  Threads alone(1);
  const std::unique_ptr<GemmCase> ours = make_gemm_case(problem);
  ours->run(alone);
  const std::unique_ptr<Opponent> theirs = library.make(problem, *ours);
  theirs->run();
  out.difference = theirs->difference(ours->y());
  rate(out, *ours, interleave([&] { ours->run(alone); }, [&] { theirs->run(); }, rounds, kSlice),
       1);
  return out;
}

Compared compare_threads(const GemmProblem& problem, int rounds) {
  Compared out = begin(problem);
  Threads two(2), one(1);
  const std::unique_ptr<GemmCase> ours = make_gemm_case(problem);
  rate(out, *ours,
       interleave([&] { ours->run(two); }, [&] { ours->run(one); }, rounds, kSlice, wall), 2);
  return out;
}

Compared compare_f32(const GemmProblem& problem, int rounds) {
  Compared out = begin(problem);
  Threads alone(1);
  GemmProblem f32 = problem;
  f32.type = NumberType::kF32;
  const std::unique_ptr<GemmCase> ours = make_gemm_case(problem), theirs = make_gemm_case(f32);
  rate(out, *ours,
       interleave([&] { ours->run(alone); }, [&] { theirs->run(alone); }, rounds, kSlice), 1);
  return out;
}

}  // namespace linnet::bench
