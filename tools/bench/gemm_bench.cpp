#include "tools/bench/gemm_bench.h"

#include <algorithm>
#include <cstdio>
#include <string>

#include "tools/bench/interleave.h"
#include "tools/bench/machine.h"
#include "tools/bench/samples.h"

namespace linnet::bench {
namespace {

using kernels::Isa;

constexpr double kSlice = 1.5e-3;  // seconds of one sample at least

/// Seconds on the clock that fits: one thread's own time does not count what other programs take.
double seconds(int threads) { return threads == 1 ? now() : wall(); }

/// One case at one level, or by another library, while it is measured.
struct Competitor {
  Isa isa;
  std::unique_ptr<GemmCase> work = {};  // one of these
  std::unique_ptr<Opponent> theirs = {};
  std::string library = "linnet", kernel = {};
  std::int64_t weight_bytes = 0;
  int calls = 1;  // in a sample
  double peak = 0;
  Samples samples = {};

  void run(Threads& threads) { theirs != nullptr ? theirs->run() : work->run(threads); }
};

double time_calls(Competitor& c, Threads& threads) {
  const double start = seconds(threads.count());
  for (int i = 0; i < c.calls; ++i) c.run(threads);
  return (seconds(threads.count()) - start) / c.calls;
}

void prepare(Competitor& c, NumberType type, Threads& threads) {
  c.run(threads);
  const double once = std::max(time_calls(c, threads), 1e-9);
  c.calls = static_cast<int>(std::clamp(kSlice / once, 1.0, 1e6));
  c.peak = peak_gops(type, c.isa);
}

/// Each level, then the libraries that have this product.
std::vector<Competitor> competitors(const GemmBench& bench, GemmProblem p, int threads) {
  std::vector<Competitor> all;
  for (const Isa isa : bench.isas) {
    p.isa = isa;
    Competitor& c = all.emplace_back(Competitor{.isa = isa, .work = make_gemm_case(p)});
    c.kernel = kernels::name(provider(p.type, isa).provider);
    c.weight_bytes = c.work->weight_bytes();
  }
  for (const OpponentLibrary* library : bench.against) {
    if (threads != 1 || !library->takes(p.type, p.epilogue)) continue;
    Threads alone(1);
    GemmCase& last = *all[bench.isas.size() - 1].work;
    last.run(alone);
    Competitor& c =
        all.emplace_back(Competitor{.isa = bench.isas.back(), .theirs = library->make(p, last)});
    c.library = library->name, c.kernel = library->version();
    const std::int64_t size = p.type == NumberType::kF32 ? 4 : p.type == NumberType::kBf16 ? 2 : 1;
    c.weight_bytes = p.N * p.K * size;
  }
  return all;
}

/// "same bits" as the reference, "near" it (BF16), or how far from ours (other libraries).
std::string result(const Competitor& c, NumberType type, const Competitor& last) {
  if (c.theirs != nullptr) {
    char text[32] = {};
    std::snprintf(text, sizeof(text), "within %.1e", c.theirs->difference(last.work->y()));
    return text;
  }
  if (!c.work->agrees()) return "WRONG";
  return type == NumberType::kBf16 ? "near" : "same bits";
}

Record row_of(const GemmProblem& p, const std::vector<Competitor>& all, const Competitor& c,
              const Competitor& last, bool cold, double memory_gbytes, int threads) {
  const double p25 = c.samples.quantile(0.25);
  const double gops = 2.0 * static_cast<double>(p.M * p.N * p.K) / p25;  // per ns: 10^9 a second
  const std::string said = result(c, p.type, last);
  const bool exact = c.theirs == nullptr && p.type != NumberType::kBf16;
  const double gbytes = static_cast<double>(c.weight_bytes) / p25;
  return {{"type", name(p.type), "type"},
          {"library", c.library, "library"},
          {"isa", kernels::name(c.isa), "level"},
          {"kernel", c.kernel},
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
          {"ratio_p25", paired(c.samples, all.front().samples).quantile(0.25), "to first", 3},
          {"gops", gops, "GOP/s"},
          {"peak_gops", c.peak * threads, "peak"},
          {"peak_share", gops / (c.peak * threads), "share", 3},
          {"weights_gbytes", gbytes, "weights GB/s"},
          {"memory_share", cold ? Value(gbytes / memory_gbytes) : Value(), "", 3},
          {"same_bits", exact ? Value(said == "same bits") : Value()},
          {"agrees", c.theirs == nullptr ? Value(said != "WRONG") : Value()},
          {"result", said, "result"},
          {"samples_ns", c.samples.ns}};
}

/// All of one case, in turn.
std::vector<Record> measure(const GemmBench& bench, const GemmProblem& problem, bool cold,
                            int count, double memory_gbytes) {
  Threads threads(count);
  std::vector<Competitor> all = competitors(bench, problem, count);
  for (Competitor& c : all) prepare(c, problem.type, threads);
  for (int i = 0; i < bench.repetitions; ++i) {
    for (Competitor& c : all) c.samples.ns.push_back(1e9 * time_calls(c, threads));
  }
  const Competitor& last = all[bench.isas.size() - 1];
  std::vector<Record> rows;
  for (Competitor& c : all) {
    c.peak = std::max(c.peak, peak_gops(problem.type, c.isa));
    rows.push_back(row_of(problem, all, c, last, cold, memory_gbytes, count));
  }
  return rows;
}

}  // namespace

std::int64_t GemmBench::cases() const {
  std::size_t of_a_product = 0;
  for (const NumberType type : types) {
    for (const int n : threads) {
      of_a_product +=
          isas.size() + static_cast<std::size_t>(std::count_if(
                            against.begin(), against.end(), [&](const OpponentLibrary* library) {
                              return n == 1 && library->takes(type, Epilogue::kNone);
                            }));
    }
  }
  return static_cast<std::int64_t>(of_a_product * products.size() * rows.size() * cold.size() *
                                   pages.size());
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
