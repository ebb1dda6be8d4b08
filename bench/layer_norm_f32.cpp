#include "bench/rows.h"

namespace linnet::bench {
namespace {

void layer_norm(benchmark::State& state, const kernels::KernelTable& table) {
  const std::int64_t M = state.range(0), D = state.range(1);
  const Buffer x = numbers(M * D), gamma = numbers(D), beta = numbers(D);
  Buffer y = numbers(M * D);
  for (auto _ : state) {
    table.layer_norm_f32(y.data(), nullptr, nullptr, x.data(), gamma.data(), beta.data(), M, D,
                         1e-12f);
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * M * D * 8);  // one read and one write
}

void normalize_l2(benchmark::State& state, const kernels::KernelTable& table) {
  const std::int64_t M = state.range(0), D = state.range(1);
  const Buffer x = numbers(M * D);
  Buffer y = numbers(M * D);
  for (auto _ : state) {
    table.normalize_l2_f32(y.data(), x.data(), M, D, 1e-12f);
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * M * D * 8);  // one read and one write
}

}  // namespace
}  // namespace linnet::bench

int main(int argc, char** argv) {
  namespace bench = linnet::bench;
  const auto shapes = [](auto* row) {
    row->ArgNames({"M", "D"});
    for (const std::int64_t D : {384, 768}) {
      for (const std::int64_t M : {1, 32, 128}) row->Args({M, D});
    }
  };
  bench::register_levels("layer_norm_f32", bench::layer_norm, shapes);
  bench::register_levels("normalize_l2_f32", bench::normalize_l2, shapes);
  return bench::run_all(argc, argv);
}
