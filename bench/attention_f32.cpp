#include <cmath>

#include "bench/rows.h"

namespace linnet::bench {
namespace {

/// One head of a sequence of S tokens in a matrix of 12 heads, queries included.
void attention(benchmark::State& state, const kernels::KernelTable& table) {
  const std::int64_t S = state.range(0), width = state.range(1), D = 12 * width;
  const Buffer qkv = numbers(S * 3 * D);
  Buffer y = numbers(S * D);
  Buffer scratch = numbers(table.attention_f32.scratch_floats(S, width));
  kernels::AttentionF32Args a;
  a.y = y.data(), a.ldy = D;
  a.q = qkv.data(), a.k = a.q + D, a.v = a.k + D, a.ld_qkv = 3 * D;
  a.keys = S, a.head_width = width, a.query_end = S;
  a.scale = 1 / std::sqrt(static_cast<float>(width));
  a.scratch = scratch.data();
  for (auto _ : state) {
    table.attention_f32.run(a);
    benchmark::ClobberMemory();
  }
  // Scores and values: S·S·width products and sums each.
  state.counters["FLOP/s"] = benchmark::Counter(4.0 * static_cast<double>(S * S * width),
                                                benchmark::Counter::kIsIterationInvariantRate);
}

}  // namespace
}  // namespace linnet::bench

int main(int argc, char** argv) {
  linnet::bench::register_levels("attention_f32", linnet::bench::attention, [](auto* row) {
    row->ArgNames({"S", "width"});
    for (const std::int64_t width : {32, 64}) {
      for (const std::int64_t S : {8, 16, 32, 64, 128, 256, 512}) row->Args({S, width});
    }
  });
  return linnet::bench::run_all(argc, argv);
}
