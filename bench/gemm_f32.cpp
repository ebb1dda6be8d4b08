#include "bench/rows.h"
#include "tools/bench/shapes.h"

namespace linnet::bench {
namespace {

void gemm(benchmark::State& state, const kernels::KernelTable& table) {
  kernels::GemmF32Args a;
  a.M = state.range(0), a.N = state.range(1), a.K = state.range(2), a.n_end = a.N;
  const Buffer x = numbers(a.M * a.K), w = numbers(a.N * a.K), bias = numbers(a.N);
  Buffer y = numbers(a.M * a.N);
  Buffer packed = numbers(table.gemm_f32.packed_floats(a.N, a.K));
  table.gemm_f32.pack(packed.data(), w.data(), a.K, 1, a.N, a.K, 0, a.N);
  a.y = y.data(), a.ldy = a.N, a.x = x.data(), a.ldx = a.K, a.w = packed.data();
  a.bias = bias.data();
  a.activation = static_cast<kernels::Activation>(state.range(3));
  for (auto _ : state) {
    table.gemm_f32.run(a);
    benchmark::ClobberMemory();
  }
  // A product and a sum for each of M·N·K terms.
  state.counters["FLOP/s"] = benchmark::Counter(2.0 * static_cast<double>(a.M * a.N * a.K),
                                                benchmark::Counter::kIsIterationInvariantRate);
}

void pack(benchmark::State& state, const kernels::KernelTable& table) {
  const std::int64_t N = state.range(0), K = state.range(1);
  const Buffer w = numbers(N * K);
  Buffer packed = numbers(table.gemm_f32.packed_floats(N, K));
  for (auto _ : state) {
    table.gemm_f32.pack(packed.data(), w.data(), K, 1, N, K, 0, N);
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * N * K * 8);  // one read and one write
}

}  // namespace
}  // namespace linnet::bench

int main(int argc, char** argv) {
  namespace bench = linnet::bench;
  bench::register_levels("gemm_f32", bench::gemm, [](auto* row) {
    row->ArgNames({"M", "N", "K", "activation"});
    for (const std::int64_t M : bench::kRows) {
      for (const bench::Product& p : bench::kProducts) row->Args({M, p.N, p.K, 0});
    }
    for (const std::int64_t M : {1, 7, 8, 16, 128}) {  // heads: regression, answers, entities
      for (const std::int64_t N : {1, 2, 9}) row->Args({M, N, 768, 0});
    }
    for (const std::int64_t M : {8, 128}) {  // 1: gelu, 2: gelu_tanh
      for (const std::int64_t activation : {0, 1, 2}) {
        row->Args({M, 3072, 768, activation});
        row->Args({M, 1536, 384, activation});
      }
    }
  });
  bench::register_levels("gemm_f32_pack", bench::pack, [](auto* row) {
    row->ArgNames({"N", "K"});
    for (const bench::Product& p : bench::kProducts) row->Args({p.N, p.K});
  });
  return bench::run_all(argc, argv);
}
