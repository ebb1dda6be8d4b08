#include <cstdio>
#include <cstdlib>

#include "bench/rows.h"
#include "engine/core/parallel.h"
#include "tools/bench/interleave.h"

// The update of AdamW against the same streams with nothing but an addition in them, in turn: four
// arrays are read and three of them written, 28 bytes a parameter.
//
//   bench_adamw_f32 [THREADS [MILLIONS OF PARAMETERS]]
namespace linnet::bench {
namespace {

struct Arrays {
  explicit Arrays(std::int64_t n) : p(numbers(n)), m(numbers(n)), v(numbers(n)), g(numbers(n)) {
    for (float& x : v) x = x * x;
  }
  Buffer p, m, v, g;
};

// What the memory gives to streams of this number and kind.
void add(float* p, float* m, float* v, const float* g, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    p[i] += g[i];
    m[i] += g[i];
    v[i] += g[i];
  }
}

void row(kernels::Isa isa, Threads& threads, std::int64_t n) {
  const kernels::KernelTable table = kernels::make_table(isa);
  Arrays a(n), b(n);
  const auto on_all = [&](const auto& body) {
    parallel_for(threads, n, 1 << 14,
                 [&](std::int64_t begin, std::int64_t end, int) { body(begin, end - begin); });
  };
  const auto update = [&](std::int64_t begin, std::int64_t count) {
    kernels::AdamwF32Args args;
    args.p = a.p.data() + begin, args.m = a.m.data() + begin, args.v = a.v.data() + begin;
    args.g = a.g.data() + begin, args.n = count;
    args.keep = 0.9999f, args.one_minus_beta1 = 0.1f;
    args.beta2 = 0.999f, args.one_minus_beta2 = 0.001f;
    args.eps = 1e-8f, args.step = -1e-6f;
    table.adamw_f32(args);
  };
  const auto streams = [&](std::int64_t begin, std::int64_t count) {
    add(b.p.data() + begin, b.m.data() + begin, b.v.data() + begin, b.g.data() + begin, count);
  };
  const Comparison c =
      interleave([&] { on_all(update); }, [&] { on_all(streams); }, 20, 0.02, wall);
  std::printf("adamw_f32/%s/threads:%d  %.2f ms, %.1f GB/s: %.0f %% of the streams alone (p25)\n",
              kernels::name(isa), threads.count(), 1e3 * c.ours,
              28e-9 * static_cast<double>(n) / c.ours, 100 * c.ratio_p25);
}

}  // namespace
}  // namespace linnet::bench

int main(int argc, char** argv) {
  const int count = argc > 1 ? std::atoi(argv[1]) : 2;
  const std::int64_t millions = argc > 2 ? std::atoll(argv[2]) : 32;
  if (count < 1 || millions < 1) {
    std::fprintf(stderr, "usage: bench_adamw_f32 [THREADS [MILLIONS OF PARAMETERS]]\n");
    return 2;
  }
  linnet::Threads threads(count);
  for (const linnet::kernels::Isa isa : linnet::kernels::supported_isas()) {
    linnet::bench::row(isa, threads, millions * 1'000'000);
  }
}
