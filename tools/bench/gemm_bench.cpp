#include "tools/bench/gemm_bench.h"

#include <algorithm>

#include "tools/bench/interleave.h"
#include "tools/bench/machine.h"
#include "tools/bench/samples.h"

namespace linnet::bench {
namespace {

using kernels::Isa;

constexpr double kSlice = 1.5e-3;  // seconds of one sample at least

/// Seconds on the clock that fits: one thread's own time does not count what other programs take.
double seconds(int threads) { return threads == 1 ? now() : wall(); }

/// One case at one level while it is measured.
struct Competitor {
  Isa isa;
  std::unique_ptr<GemmCase> work;
  int calls = 1;  // in a sample
  double peak = 0;
  Samples samples = {};
};

double time_calls(Competitor& c, Threads& threads) {
  const double start = seconds(threads.count());
  for (int i = 0; i < c.calls; ++i) c.work->run(threads);
  return (seconds(threads.count()) - start) / c.calls;
}

void prepare(Competitor& c, NumberType type, Threads& threads) {
  c.work->run(threads);
  const double once = std::max(time_calls(c, threads), 1e-9);
  c.calls = static_cast<int>(std::clamp(kSlice / once, 1.0, 1e6));
  c.peak = peak_gops(type, c.isa);
}

Record row_of(const GemmProblem& p, const Competitor& c, bool cold, int threads,
              double memory_gbytes) {
  const double p25 = c.samples.quantile(0.25);
  const double gops = 2.0 * static_cast<double>(p.M * p.N * p.K) / p25;  // per ns: 10^9 a second
  const bool agrees = c.work->agrees(), exact = p.type != NumberType::kBf16;
  const double gbytes = static_cast<double>(c.work->weight_bytes()) / p25;
  return {{"type", name(p.type), "type"},
          {"isa", kernels::name(c.isa), "level"},
          {"kernel", kernels::name(provider(p.type, c.isa).provider)},
          {"m", p.M, "M"},
          {"n", p.N, "N"},
          {"k", p.K, "K"},
          {"weights", cold ? "cold" : "hot", "weights"},
          {"pages", p.pages == PageSize::k4K ? "4k" : "2m", "pages"},
          {"n_threads", std::int64_t{threads}, "threads"},
          {"min_ns", c.samples.min()},
          {"p25_ns", p25},
          {"p50_ns", c.samples.quantile(0.5)},
          {"p25_us", p25 * 1e-3, "us", 2},
          {"gops", gops, "GOP/s"},
          {"peak_gops", c.peak * threads, "peak"},
          {"peak_share", gops / (c.peak * threads), "share", 3},
          {"weights_gbytes", gbytes, "weights GB/s"},
          {"memory_share", cold ? Value(gbytes / memory_gbytes) : Value(), "", 3},
          {"same_bits", exact ? Value(agrees) : Value()},
          {"agrees", agrees},
          {"result",
           !agrees ? "WRONG"
           : exact ? "same bits"
                   : "near",
           "result"},
          {"samples_ns", c.samples.ns}};
}

/// All levels of one case, in turn.
std::vector<Record> measure(const GemmBench& bench, const GemmProblem& problem, bool cold,
                            int count, double memory_gbytes) {
  Threads threads(count);
  std::vector<Competitor> levels;
  for (const Isa isa : bench.isas) {
    GemmProblem p = problem;
    p.isa = isa;
    levels.push_back({.isa = isa, .work = make_gemm_case(p)});
    prepare(levels.back(), p.type, threads);
  }
  for (int i = 0; i < bench.repetitions; ++i) {
    for (Competitor& c : levels) c.samples.ns.push_back(1e9 * time_calls(c, threads));
  }
  std::vector<Record> rows;
  for (Competitor& c : levels) {
    c.peak = std::max(c.peak, peak_gops(problem.type, c.isa));
    rows.push_back(row_of(problem, c, cold, count, memory_gbytes));
  }
  return rows;
}

}  // namespace

std::int64_t GemmBench::cases() const {
  return static_cast<std::int64_t>(types.size() * isas.size() * products.size() * rows.size() *
                                   cold.size() * pages.size() * threads.size());
}

std::vector<Record> run(const GemmBench& bench, double memory_gbytes,
                        const std::function<void(std::int64_t)>& done) {
  std::vector<Record> all;
  for (const NumberType type : bench.types) {
    for (const int threads : bench.threads) {
      for (const PageSize pages : bench.pages) {
        for (const bool cold : bench.cold) {
          for (const std::int64_t M : bench.rows) {
            for (const Product& p : bench.products) {
              const std::int64_t copies = cold ? cold_copies(type, p.N, p.K) : 1;
              const GemmProblem problem = {
                  .type = type, .M = M, .N = p.N, .K = p.K, .copies = copies, .pages = pages};
              for (Record& row : measure(bench, problem, cold, threads, memory_gbytes)) {
                all.push_back(std::move(row));
              }
              done(static_cast<std::int64_t>(all.size()));
            }
          }
        }
      }
    }
  }
  return all;
}

}  // namespace linnet::bench
