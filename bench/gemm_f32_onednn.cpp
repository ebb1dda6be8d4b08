// FP32 products against oneDNN, interleaved: bench_gemm_f32_onednn [--cold] [--level NAME]
// [--rounds N]
//
// hot: the same weights in every call; cold: cycling through 256 MB of weights on 2 MB pages, which
// is what a model sees. A goal stands beside each ratio, and a star where it is missed. Packing of
// weights is excluded on both sides, bias is included. One thread.
#include <omp.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dnnl.hpp>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "kernels/kernel_table.h"
#include "tools/bench/interleave.h"
#include "tools/bench/machine.h"
#include "tools/bench/pages.h"
#include "tools/bench/shapes.h"

namespace linnet::bench {
namespace {

using kernels::Isa;

void fill(float* x, std::size_t n) {
  std::uint32_t state = 12345;
  for (std::size_t i = 0; i < n; ++i) {
    state = state * 1664525u + 1013904223u;
    x[i] = static_cast<float>(state >> 8) * 0x1p-24f - 0.5f;
  }
}

/// One product with `copies` copies of its weights for each side.
class Cell {
 public:
  Cell(Isa isa, std::int64_t M, Product p, std::int64_t copies)
      : gemm_(kernels::make_table(isa).gemm_f32),
        m_(M),
        p_(p),
        copies_(copies),
        packed_floats_(static_cast<std::size_t>(gemm_.packed_floats(p.N, p.K) + 511) / 512 * 512),
        ours_(packed_floats_ * static_cast<std::size_t>(copies)),
        x_(static_cast<std::size_t>(M * p.K)),
        y_(static_cast<std::size_t>(M * p.N)),
        z_(static_cast<std::size_t>(M * p.N)),
        bias_(static_cast<std::size_t>(p.N)) {
    std::vector<float> w(static_cast<std::size_t>(p.N * p.K));
    fill(w.data(), w.size());
    fill(x_.data(), static_cast<std::size_t>(M * p.K));
    fill(bias_.data(), static_cast<std::size_t>(p.N));
    gemm_.pack(ours_.data(), w.data(), p.K, 1, p.N, p.K, 0, p.N);
    for (std::int64_t c = 1; c < copies; ++c) {
      std::memcpy(packed(c), ours_.data(), packed_floats_ * sizeof(float));
    }
    prepare_onednn(w);
  }

  void ours() {
    kernels::GemmF32Args a = {.y = y_.data(), .ldy = p_.N, .x = x_.data(), .ldx = p_.K};
    a.w = packed(turn_++ % copies_);
    a.bias = bias_.data();
    a.M = m_, a.N = p_.N, a.K = p_.K, a.n_end = p_.N;
    gemm_.run(a);
  }
  void theirs() {
    arguments_[DNNL_ARG_WEIGHTS] =
        their_weights_[static_cast<std::size_t>(their_turn_++ % copies_)];
    primitive_.execute(stream_, arguments_);
  }
  /// The greatest difference of the two results.
  double parity() {
    ours();
    theirs();
    double worst = 0;
    for (std::int64_t i = 0; i < m_ * p_.N; ++i) {
      worst = std::max(worst, std::abs(double{y_.data()[i]} - z_.data()[i]));
    }
    return worst;
  }

 private:
  float* packed(std::int64_t copy) {
    return ours_.data() + static_cast<std::size_t>(copy) * packed_floats_;
  }

  void prepare_onednn(std::vector<float>& w) {
    using dnnl::memory;
    using Tag = memory::format_tag;
    const auto f32 = memory::data_type::f32;
    const memory::desc x({m_, p_.K}, f32, Tag::ab), any({p_.N, p_.K}, f32, Tag::any);
    const memory::desc plain({p_.N, p_.K}, f32, Tag::ab), b({p_.N}, f32, Tag::a);
    const memory::desc y({m_, p_.N}, f32, Tag::ab);
    const dnnl::inner_product_forward::desc d(dnnl::prop_kind::forward_inference, x, any, b, y);
    const dnnl::inner_product_forward::primitive_desc pd(d, engine_);
    primitive_ = dnnl::inner_product_forward(pd);
    memory from(plain, engine_, w.data());
    const std::size_t floats = (pd.weights_desc().get_size() / 4 + 511) / 512 * 512;
    their_pages_ = std::make_unique<Pages<float>>(floats * static_cast<std::size_t>(copies_));
    for (std::int64_t c = 0; c < copies_; ++c) {
      their_weights_.emplace_back(pd.weights_desc(), engine_,
                                  their_pages_->data() + static_cast<std::size_t>(c) * floats);
      dnnl::reorder(from, their_weights_.back()).execute(stream_, from, their_weights_.back());
    }
    stream_.wait();
    arguments_ = {{DNNL_ARG_SRC, memory(x, engine_, x_.data())},
                  {DNNL_ARG_BIAS, memory(b, engine_, bias_.data())},
                  {DNNL_ARG_DST, memory(y, engine_, z_.data())}};
  }

  kernels::GemmF32 gemm_;
  std::int64_t m_;
  Product p_;
  std::int64_t copies_, turn_ = 0, their_turn_ = 0;
  std::size_t packed_floats_;
  Pages<float> ours_, x_, y_, z_, bias_;
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  dnnl::inner_product_forward primitive_;
  std::unique_ptr<Pages<float>> their_pages_;
  std::vector<dnnl::memory> their_weights_;
  std::unordered_map<int, dnnl::memory> arguments_;
};

struct Options {
  bool cold = false;
  Isa isa = kernels::supported_isas().back();
  int rounds = 60;
  std::int64_t only_m = 0;
};

/// The least ratio aimed at on AVX-512, 0 where none is set.
double goal(const Options& o, std::int64_t M, const Product& p) {
  if (o.isa < Isa::kAvx512) return 0;
  if (p.N == kVocabulary.N) return M == 1 ? 1.15 : M <= 32 ? 1.3 : 1.05;
  if (M == 1) return 1.2;
  if (M <= 32) return o.cold ? 1.35 : 1.05;
  return o.cold ? 1.08 : 0.98;
}

double print_cell(const Options& o, std::int64_t M, Product p, double peak) {
  const std::int64_t bytes = p.N * p.K * 4;
  const std::int64_t copies = o.cold ? (std::int64_t{256} << 20) / bytes + 1 : 1;
  Cell cell(o.isa, M, p, copies);
  const double parity = cell.parity();
  const Comparison c = interleave([&] { cell.ours(); }, [&] { cell.theirs(); }, o.rounds, 1.5e-3);
  // 2 operations per product and sum; the weights are read once.
  const double gflop = 2e-9 * static_cast<double>(M * p.N * p.K);
  std::printf("%5ld %5ld %5ld  %5.2f  %6.3f%s %6.3f  %7.1f %7.1f  %5.1f %%  %6.1f GB/s  %.1e\n",
              static_cast<long>(M), static_cast<long>(p.N), static_cast<long>(p.K), goal(o, M, p),
              c.ratio_p25, c.ratio_p25 < goal(o, M, p) ? "*" : " ", c.ratio_p50, gflop / c.ours,
              gflop / c.theirs, 100 * gflop / c.ours / peak,
              1e-9 * static_cast<double>(bytes) / c.ours, parity);
  std::fflush(stdout);
  return c.ratio_p25;
}

void run(const Options& o) {
  const dnnl_version_t* v = dnnl_version();
  std::printf(
      "# level %s, oneDNN %d.%d.%d, weights %s, 1 thread, clock %.2f GHz, peak %.0f GFLOP/s\n",
      kernels::name(o.isa), v->major, v->minor, v->patch, o.cold ? "cold" : "hot", clock_ghz(),
      peak_gflops(o.isa));
  std::printf(
      "#   M     N     K   goal     p25     p50     ours    oneDNN   share   weights       "
      "difference\n");
  std::vector<std::int64_t> rows = {1, 8, 32, 128};
  if (!o.cold) rows.push_back(512);
  if (o.only_m != 0) rows = {o.only_m};
  for (const std::int64_t M : rows) {
    const double peak = peak_gflops(o.isa);
    double log_sum = 0, worst = 1e9;
    for (const Product& p : kProducts) {
      const double ratio = print_cell(o, M, p, peak);
      log_sum += std::log(ratio);
      worst = std::min(worst, ratio);
    }
    std::printf("# M = %ld: geometric mean of p25 %.3f, worst %.3f, peak %.0f GFLOP/s\n",
                static_cast<long>(M), std::exp(log_sum / static_cast<double>(kProducts.size())),
                worst, peak);
    if (M <= 128) print_cell(o, M, kVocabulary, peak);
  }
}

}  // namespace
}  // namespace linnet::bench

int main(int argc, char** argv) {
  linnet::bench::Options o;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    const char* value = i + 1 < argc ? argv[i + 1] : "";
    if (arg == "--cold") {
      o.cold = true;
    } else if (arg == "--level" && linnet::kernels::parse_isa(value, o.isa)) {
      ++i;
    } else if (arg == "--rounds" && std::atoi(value) > 0) {
      o.rounds = std::atoi(argv[++i]);
    } else if (arg == "--m" && std::atoi(value) > 0) {
      o.only_m = std::atoi(argv[++i]);
    } else {
      std::fprintf(stderr, "usage: %s [--cold] [--level NAME] [--rounds N] [--m ROWS]\n", argv[0]);
      return 2;
    }
  }
  // A capped level meets a capped opponent.
  if (o.isa < linnet::kernels::Isa::kAvx512) {
    dnnl::set_max_cpu_isa(dnnl::cpu_isa::avx2);
  }
  omp_set_num_threads(1);
  linnet::bench::run(o);
}
