// Products against another library, in turn, one row for each:
//   bench_gemm_against [--type f32|s8|bf16] [--against onednn|openblas] [--level NAME] [--m ROWS]
//     [--n COLUMNS --k INNER] [--cold] [--pages huge|small] [--epilogue none|gelu|requantize]
//     [--rounds N]
//
// hot: the same weights in every call; cold: cycling through 256 MB of weights, which is what a
// model sees. Packing of weights and quantising or rounding of x are excluded on both sides, bias
// is included. A weaker level meets a library that is capped to it. One thread.
#include <sys/prctl.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "bench/against/compare.h"
#include "bench/against/onednn.h"
#include "tools/bench/machine.h"
#include "tools/bench/openblas.h"
#include "tools/bench/shapes.h"

namespace linnet::bench {
namespace {

using kernels::Isa;

const OpponentLibrary* find_opponent(const std::string& name) {
  for (const OpponentLibrary* library : {&kOneDnn, &kOpenBlas}) {
    if (name == library->name) return library;
  }
  return nullptr;
}

struct Options {
  GemmProblem problem = {.isa = kernels::supported_isas().back()};
  std::int64_t only_m = 0;
  Product only = {0, 0};
  bool cold = false;
  int rounds = 60;
  const OpponentLibrary* library = &kOneDnn;
};

double print_cell(const Options& o, std::int64_t M, Product p) {
  GemmProblem problem = o.problem;
  problem.M = M, problem.N = p.N, problem.K = p.K;
  problem.copies = o.cold ? cold_copies(problem.type, p.N, p.K) : 1;
  problem.non_negative = problem.type == NumberType::kS8 && problem.isa < Isa::kAvx512;
  const Compared c = compare(problem, *o.library, o.rounds);
  std::printf("%5ld %5ld %5ld  %6.3f  %6.3f  %7.1f %7.1f  %5.1f %%  %6.1f GB/s  %.1e  %s\n",
              static_cast<long>(M), static_cast<long>(p.N), static_cast<long>(p.K), c.ratio_p25,
              c.ratio_p50, c.gops, c.their_gops, 100 * c.gops / c.peak_gops, c.weights_gbytes,
              c.difference, c.agrees ? "right" : "WRONG");
  std::fflush(stdout);
  return c.ratio_p25;
}

void run(const Options& o) {
  o.library->cap(o.problem.isa);
  std::printf("# %s, level %s, %s, weights %s, %s pages, 1 thread\n", name(o.problem.type),
              kernels::name(o.problem.isa), o.library->version().c_str(), o.cold ? "cold" : "hot",
              o.problem.pages == PageSize::k4K ? "4 KB" : "2 MB");
  std::printf(
      "#   M     N     K  p25     p50     ours    theirs   share   weights       "
      "difference  reference\n");
  std::vector<std::int64_t> rows = {1, 8, 32, 128};
  if (!o.cold) rows.push_back(512);
  if (o.only_m != 0) rows = {o.only_m};
  std::vector<Product> products(kProducts.begin(), kProducts.end());
  if (o.only.N != 0) products = {o.only};
  for (const std::int64_t M : rows) {
    double log_sum = 0, worst = 1e9;
    for (const Product& p : products) {
      const double ratio = print_cell(o, M, p);
      log_sum += std::log(ratio);
      worst = std::min(worst, ratio);
    }
    std::printf(
        "# M = %ld: geometric mean of p25 %.3f, worst %.3f, clock %.2f GHz, memory %.1f GB/s\n",
        static_cast<long>(M), std::exp(log_sum / static_cast<double>(products.size())), worst,
        clock_ghz(), memory_gbytes());
  }
}

bool parse_count(const std::string& text, std::int64_t& n) {
  n = std::atoi(text.c_str());
  return n > 0;
}

/// Sets `out` to the value whose name is `text`.
template <class T>
bool parse_name(const std::string& text, std::initializer_list<std::pair<const char*, T>> names,
                T& out) {
  for (const auto& [word, value] : names) {
    if (text == word) return out = value, true;
  }
  return false;
}

/// One option that has a value. False when there is none of that name, or the value is no good.
bool parse(const std::string& name, const std::string& value, Options& o) {
  std::int64_t rounds = 0;
  GemmProblem& p = o.problem;
  if (name == "--level") return kernels::parse_isa(value, p.isa);
  if (name == "--m") return parse_count(value, o.only_m);
  if (name == "--n") return parse_count(value, o.only.N);
  if (name == "--k") return parse_count(value, o.only.K);
  if (name == "--against") return (o.library = find_opponent(value)) != nullptr;
  if (name == "--type") {
    return parse_name<NumberType>(
        value, {{"f32", NumberType::kF32}, {"s8", NumberType::kS8}, {"bf16", NumberType::kBf16}},
        p.type);
  }
  if (name == "--epilogue") {
    return parse_name<Epilogue>(value,
                                {{"none", Epilogue::kNone},
                                 {"gelu", Epilogue::kGelu},
                                 {"requantize", Epilogue::kRequantize}},
                                p.epilogue);
  }
  if (name == "--pages") {
    return parse_name<PageSize>(value, {{"huge", PageSize::k2M}, {"small", PageSize::k4K}},
                                p.pages);
  }
  if (name != "--rounds" || !parse_count(value, rounds)) return false;
  o.rounds = static_cast<int>(rounds);
  return true;
}

/// Why the options do not go together, null when they do.
const char* contradiction(const Options& o) {
  if ((o.only.N == 0) != (o.only.K == 0)) return "--n and --k belong together";
  if (o.problem.epilogue == Epilogue::kRequantize && o.problem.type != NumberType::kS8) {
    return "--epilogue requantize is for --type s8";
  }
  if (!o.library->takes(o.problem.type, o.problem.epilogue))
    return "that library has no such product";
  return nullptr;
}

}  // namespace
}  // namespace linnet::bench

int main(int argc, char** argv) {
  linnet::bench::Options o;
  for (int i = 1; i < argc; ++i) {
    const char* value = i + 1 < argc ? argv[i + 1] : "";
    if (std::string(argv[i]) == "--cold") {
      o.cold = true;
    } else if (linnet::bench::parse(argv[i], value, o)) {
      ++i;
    } else {
      std::fprintf(stderr, "%s: %s %s: see the first lines of bench/gemm_against.cpp\n", argv[0],
                   argv[i], value);
      return 2;
    }
  }
  if (const char* what = linnet::bench::contradiction(o)) {
    std::fprintf(stderr, "%s: %s\n", argv[0], what);
    return 2;
  }
  if (o.problem.pages == linnet::bench::PageSize::k4K) prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
  linnet::bench::run(o);
}
