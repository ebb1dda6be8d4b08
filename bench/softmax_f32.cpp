#include "bench/rows.h"

namespace linnet::bench {
namespace {

void softmax(benchmark::State& state, const kernels::KernelTable& table) {
  const std::int64_t M = state.range(0), N = state.range(1);
  const Buffer x = numbers(M * N);
  Buffer y = numbers(M * N);
  for (auto _ : state) {
    table.softmax_f32(y.data(), N, x.data(), N, M, N);
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * M * N);
}

}  // namespace
}  // namespace linnet::bench

int main(int argc, char** argv) {
  linnet::bench::register_levels("softmax_f32", linnet::bench::softmax, [](auto* row) {
    row->ArgNames({"M", "N"});
    for (const std::int64_t N : {16, 128, 512}) row->Args({32, N});
  });
  return linnet::bench::run_all(argc, argv);
}
