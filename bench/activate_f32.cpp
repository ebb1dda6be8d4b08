#include "bench/rows.h"

namespace linnet::bench {
namespace {

constexpr std::int64_t kElements = 3072;  // stays in the first-level cache

void activate(benchmark::State& state, const kernels::KernelTable& table) {
  const Buffer x = numbers(kElements);
  Buffer y = numbers(kElements);
  const auto activation = static_cast<kernels::Activation>(state.range(0));
  for (auto _ : state) {
    table.activate_f32(y.data(), x.data(), kElements, activation);
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * kElements);
  constexpr const char* kNames[] = {"none",       "gelu", "gelu_q", "gelu_tanh", "gelu_10",
                                    "quick_gelu", "relu", "silu",   "tanh",      "sigmoid"};
  state.SetLabel(kNames[state.range(0)]);
}

}  // namespace
}  // namespace linnet::bench

int main(int argc, char** argv) {
  linnet::bench::register_levels("activate_f32", linnet::bench::activate,
                                 [](auto* row) { row->ArgName("activation")->DenseRange(0, 9); });
  return linnet::bench::run_all(argc, argv);
}
