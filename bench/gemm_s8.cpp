#include <vector>

#include "bench/rows.h"
#include "tools/bench/shapes.h"

namespace linnet::bench {
namespace {

void gemm(benchmark::State& state, const kernels::KernelTable& table) {
  kernels::GemmS8Args a;
  a.M = state.range(0), a.N = state.range(1), a.K = state.range(2), a.n_end = a.N;
  const Buffer x_scale = numbers(a.M), w_scale = numbers(a.N), bias = numbers(a.N);
  Buffer y = numbers(a.M * a.N);
  // A buffer of floats is the memory of 4 times as many bytes, whatever they are.
  const Buffer x = numbers(a.M * a.K / 4 + 1);
  Buffer packed = numbers((a.N + 15) / 16 * 4 * kernels::column_bytes_s8(a.K) + 16);
  const std::vector<std::int8_t> w(static_cast<std::size_t>(a.N * a.K), 77);
  auto* bytes = reinterpret_cast<std::int8_t*>(packed.data());
  table.pack_s8(bytes, w.data(), a.K, 1, a.K, 0, a.N);
  a.y = y.data(), a.ldy = a.N, a.ldx = a.K, a.w = bytes;
  a.x = reinterpret_cast<const std::uint8_t*>(x.data());
  a.x_scale = x_scale.data(), a.w_scale = w_scale.data(), a.bias = bias.data();
  a.activation = static_cast<kernels::Activation>(state.range(3));
  for (auto _ : state) {
    table.gemm_s8.run(a);
    benchmark::ClobberMemory();
  }
  // A product and a sum for each of M·N·K terms.
  state.counters["OP/s"] = benchmark::Counter(2.0 * static_cast<double>(a.M * a.N * a.K),
                                              benchmark::Counter::kIsIterationInvariantRate);
}

void quantize(benchmark::State& state, const kernels::KernelTable& table) {
  const std::int64_t M = state.range(0), K = state.range(1);
  const Buffer x = numbers(M * K);
  std::vector<std::uint8_t> q(static_cast<std::size_t>(M * kernels::padded_k(K)));
  std::vector<float> scale(static_cast<std::size_t>(M));
  const kernels::QuantizeRowsS8Args a = {.q = q.data(),
                                         .ldq = kernels::padded_k(K),
                                         .scale = scale.data(),
                                         .x = x.data(),
                                         .ldx = K,
                                         .M = M,
                                         .K = K,
                                         .shift = table.gemm_s8.shift};
  for (auto _ : state) {
    table.quantize_rows_s8(a);
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * M * K * 5);  // 4 read, 1 written
}

}  // namespace
}  // namespace linnet::bench

int main(int argc, char** argv) {
  namespace bench = linnet::bench;
  bench::register_levels("gemm_s8", bench::gemm, [](auto* row) {
    row->ArgNames({"M", "N", "K", "activation"});
    for (const std::int64_t M : bench::kRows) {
      for (const bench::Product& p : bench::kProducts) row->Args({M, p.N, p.K, 0});
    }
    for (const std::int64_t M : {8, 128}) row->Args({M, 3072, 768, 1});  // 1: gelu
  });
  bench::register_levels("quantize_rows_s8", bench::quantize, [](auto* row) {
    row->ArgNames({"M", "K"});
    for (const std::int64_t K : {384, 768, 3072}) row->Args({128, K});
  });
  return bench::run_all(argc, argv);
}
