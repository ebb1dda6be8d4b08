#include <cmath>
#include <cstdio>

#include "bench/rows.h"
#include "tools/bench/interleave.h"

// INT8 attention against FP32 attention of the same level, in turn: one head of a sequence of S
// tokens in a matrix of 12 heads, all queries, quantising included.
namespace linnet::bench {
namespace {

template <class Args>
Args head(const Buffer& qkv, Buffer& y, Buffer& scratch, std::int64_t S, std::int64_t width) {
  const std::int64_t D = 12 * width;
  Args a;
  a.y = y.data(), a.ldy = D;
  a.q = qkv.data(), a.k = a.q + D, a.v = a.k + D, a.ld_qkv = 3 * D;
  a.keys = S, a.head_width = width, a.query_end = S;
  a.scale = 1 / std::sqrt(static_cast<float>(width));
  a.scratch = scratch.data();
  return a;
}

void row(const kernels::KernelTable& table, std::int64_t S, std::int64_t width) {
  const Buffer qkv = numbers(S * 3 * 12 * width);
  Buffer y = numbers(S * 12 * width);
  Buffer scratch_s8 = numbers(table.attention_s8.scratch_floats(S, width));
  Buffer scratch_f32 = numbers(table.attention_f32.scratch_floats(S, width));
  const auto s8 = head<kernels::AttentionS8Args>(qkv, y, scratch_s8, S, width);
  const auto f32 = head<kernels::AttentionF32Args>(qkv, y, scratch_f32, S, width);
  const Comparison c = interleave([&] { table.attention_s8.run(s8); },
                                  [&] { table.attention_f32.run(f32); }, 100, 1e-3);
  std::printf("%-12s %5lld %6lld %9.2f %9.2f %7.2f %7.2f\n", kernels::name(table.isa),
              static_cast<long long>(S), static_cast<long long>(width), 1e6 * c.ours,
              1e6 * c.theirs, c.ratio_p25, c.ratio_p50);
}

}  // namespace
}  // namespace linnet::bench

int main() {
  std::printf("%-12s %5s %6s %9s %9s %7s %7s\n", "level", "S", "width", "s8 us", "f32 us", "p25",
              "p50");
  for (const auto isa : linnet::kernels::supported_isas()) {
    if (isa == linnet::kernels::Isa::kReference) continue;
    const auto table = linnet::kernels::make_table(isa);
    for (const std::int64_t width : {32, 64}) {
      for (const std::int64_t S : {16, 64, 128, 384, 512}) linnet::bench::row(table, S, width);
    }
  }
  return 0;
}
