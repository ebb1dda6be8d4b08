#include "bench/rows.h"
#include "tools/bench/shapes.h"

namespace linnet::bench {
namespace {

void pack(benchmark::State& state, const kernels::KernelTable& table) {
  const std::int64_t N = state.range(0), K = state.range(1);
  const Buffer w = numbers(N * K);
  Buffer packed = numbers((N + 15) / 16 * 16 * kernels::padded_k_bf16(K) / 2);
  auto* to = reinterpret_cast<std::uint16_t*>(packed.data());
  for (auto _ : state) {
    table.pack_bf16(to, w.data(), K, 1, K, 0, N);
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * N * K * 6);  // a float read, half of one written
}

}  // namespace
}  // namespace linnet::bench

int main(int argc, char** argv) {
  namespace bench = linnet::bench;
  bench::register_levels("pack_bf16", bench::pack, [](auto* row) {
    row->ArgNames({"N", "K"});
    for (const bench::Product& p : bench::kProducts) row->Args({p.N, p.K});
  });
  return bench::run_all(argc, argv);
}
