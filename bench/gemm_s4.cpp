#include <cstdio>
#include <vector>

#include "tools/bench/gemm_case.h"
#include "tools/bench/gemm_operands.h"
#include "tools/bench/interleave.h"
#include "tools/bench/machine.h"
#include "tools/bench/shapes.h"

// Weights of 4 bits against INT8 weights of the same level, in turn: cold, from as many copies as
// no cache holds, on one thread. Quantising x is left out on both sides.
namespace linnet::bench {
namespace {

class GemmS4 {
 public:
  GemmS4(kernels::Isa isa, std::int64_t M, std::int64_t N, std::int64_t K)
      : table_(kernels::make_table(isa)),
        bytes_((N + 15) / 16 * 16 * kernels::column_bytes_s4(K)),
        packed_(bytes_, 1 + (std::int64_t{256} << 20) / bytes_, PageSize::k2M),
        x_(size(M * kernels::padded_k(K))),
        scales_(size(std::max(M, N)), 0.01f),
        y_(size(M * N)) {
    const std::int64_t K64 = kernels::padded_k(K);
    std::vector<std::int8_t> q(size(N * K64)), t(size(N * K64 / kernels::kGroupS4));
    fill(x_.data(), M * K64, 1);
    fill(q.data(), N * K64, 2);
    for (std::int8_t& v : q) v = static_cast<std::int8_t>(v / 16);
    fill(t.data(), static_cast<std::int64_t>(t.size()), 3);
    table_.pack_s4(reinterpret_cast<std::int8_t*>(packed_.first()), q.data(), t.data(), K, 0, N);
    packed_.multiply();
    a_.y = y_.data(), a_.ldy = N;
    a_.x = reinterpret_cast<const std::uint8_t*>(x_.data()), a_.ldx = K64;
    a_.x_scale = a_.w_scale = scales_.data();
    a_.M = M, a_.N = N, a_.K = K, a_.n_end = N;
  }
  void run() {
    a_.w = reinterpret_cast<const std::int8_t*>(packed_.next());
    table_.gemm_s4(a_);
  }
  std::int64_t weight_bytes() const { return bytes_; }

 private:
  kernels::KernelTable table_;
  std::int64_t bytes_;
  Copies packed_;
  std::vector<std::int8_t> x_;
  std::vector<float> scales_, y_;
  kernels::GemmS8Args a_;
};

void row(kernels::Isa isa, std::int64_t M, const Product& p) {
  GemmS4 s4(isa, M, p.N, p.K);
  GemmProblem problem;
  problem.type = NumberType::kS8, problem.isa = isa;
  problem.M = M, problem.N = p.N, problem.K = p.K;
  problem.copies = cold_copies(NumberType::kS8, p.N, p.K);
  const auto s8 = make_gemm_case(problem);
  Threads one(1);
  const double read = memory_gbytes();
  const Comparison c = interleave([&] { s4.run(); }, [&] { s8->run(one); }, 60, 1e-3);
  const auto rate = [](std::int64_t bytes, double seconds) {
    return 1e-9 * static_cast<double>(bytes) / seconds;
  };
  std::printf("%-12s %5lld %6lld %5lld %9.2f %9.2f %7.2f %7.2f %8.1f %8.1f %8.1f\n",
              kernels::name(isa), static_cast<long long>(M), static_cast<long long>(p.N),
              static_cast<long long>(p.K), 1e6 * c.ours, 1e6 * c.theirs, c.ratio_p25, c.ratio_p50,
              rate(s4.weight_bytes(), c.ours), rate(s8->weight_bytes(), c.theirs), read);
}

}  // namespace
}  // namespace linnet::bench

int main() {
  namespace bench = linnet::bench;
  namespace kernels = linnet::kernels;
  std::printf("%-12s %5s %6s %5s %9s %9s %7s %7s %8s %8s %8s\n", "level", "M", "N", "K", "s4 us",
              "s8 us", "p25", "p50", "s4 GB/s", "s8 GB/s", "DRAM");
  for (const kernels::Isa isa : kernels::supported_isas()) {
    if (isa == kernels::Isa::kReference || isa == kernels::Isa::kAvx512) continue;
    for (const std::int64_t M : {1, 4, 16, 128}) {
      for (const bench::Product& p : bench::kGpt2) bench::row(isa, M, p);
    }
  }
  return 0;
}
