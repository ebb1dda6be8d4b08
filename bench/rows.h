#pragma once

#include <benchmark/benchmark.h>
#include <unistd.h>

#include <cstdint>
#include <memory>
#include <new>
#include <string>

#include "kernels/kernel_table.h"
#include "tools/bench/machine.h"

namespace linnet::bench {

/// n floats on a border of 64 bytes, as the engine lays them out.
class Buffer {
 public:
  explicit Buffer(std::int64_t n) : n_(n), memory_(allocate(n)) {}
  float* data() { return memory_.get(); }
  const float* data() const { return memory_.get(); }
  float* begin() { return data(); }
  float* end() { return data() + n_; }

 private:
  struct Free {
    void operator()(float* p) const { ::operator delete (p, std::align_val_t{64}); }
  };
  static float* allocate(std::int64_t n) {
    const auto bytes = static_cast<std::size_t>(n) * sizeof(float);
    return static_cast<float*>(::operator new (bytes, std::align_val_t{64}));
  }
  std::int64_t n_;
  std::unique_ptr<float, Free> memory_;
};

/// n numbers in [-2, 2), always the same.
inline Buffer numbers(std::int64_t n) {
  Buffer x(n);
  std::uint32_t state = 1;
  for (float& v : x) {
    state = state * 1664525u + 1013904223u;
    v = static_cast<float>(state >> 8) * 0x1p-22f - 2;
  }
  return x;
}

/// Registers `run` as "operation/level" for every level of the machine, each with its table.
template <class Run, class Arguments>
void register_levels(const std::string& operation, Run run, Arguments arguments) {
  for (const kernels::Isa isa : kernels::supported_isas()) {
    const std::string row = operation + "/" + kernels::name(isa);
    const kernels::KernelTable table = kernels::make_table(isa);
    arguments(benchmark::RegisterBenchmark(
        row.c_str(), [run, table](benchmark::State& state) { run(state, table); }));
  }
}

/// The machine at this moment, printed above the results.
inline void add_machine_context() {
  benchmark::AddCustomContext("clock_ghz", std::to_string(clock_ghz()));
  benchmark::AddCustomContext("memory_read_gbytes", std::to_string(memory_gbytes()));
  benchmark::AddCustomContext("page_bytes", std::to_string(sysconf(_SC_PAGESIZE)));
}

inline int run_all(int argc, char** argv) {
  add_machine_context();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

}  // namespace linnet::bench
