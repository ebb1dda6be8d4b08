#include "bench/rows.h"
#include "tools/bench/shapes.h"

namespace linnet::bench {
namespace {

void gemm_tn(benchmark::State& state, const kernels::KernelTable& table) {
  kernels::GemmTnF32Args g;
  g.T = state.range(0), g.N = state.range(1), g.K = state.range(2), g.n_end = g.N;
  const Buffer a = numbers(g.T * g.N), b = numbers(g.T * g.K);
  Buffer c = numbers(g.N * g.K);
  g.a = a.data(), g.lda = g.N, g.b = b.data(), g.ldb = g.K, g.c = c.data(), g.ldc = g.K;
  for (auto _ : state) {
    table.gemm_tn_f32(g);
    benchmark::ClobberMemory();
  }
  // A product and a sum for each of T·N·K terms.
  state.counters["FLOP/s"] = benchmark::Counter(2.0 * static_cast<double>(g.T * g.N * g.K),
                                                benchmark::Counter::kIsIterationInvariantRate);
}

}  // namespace
}  // namespace linnet::bench

int main(int argc, char** argv) {
  namespace bench = linnet::bench;
  bench::register_levels("gemm_tn_f32", bench::gemm_tn, [](auto* row) {
    row->ArgNames({"T", "N", "K"});
    for (const std::int64_t T : {32, 128, 1024}) {
      for (const bench::Product& p : bench::kProducts) row->Args({T, p.N, p.K});
    }
  });
  return bench::run_all(argc, argv);
}
