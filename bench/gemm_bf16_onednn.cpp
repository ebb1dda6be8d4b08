// BF16 products against oneDNN, interleaved: bench_gemm_bf16_onednn [--cold] [--m ROWS]
//
// hot: the same weights in every call; cold: cycling through 256 MB of weights, which is what a
// model sees. All memory is on 2 MB pages. Packing of weights and rounding of x are excluded on
// both sides, bias is included, y is FP32. One thread, at the best level of the machine.
#include <omp.h>

#include <algorithm>
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

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

/// Numbers in -1 .. 1.
void fill(std::vector<float>& x) {
  std::uint32_t state = 12345;
  for (float& v : x) {
    state = state * 1664525u + 1013904223u;
    v = static_cast<float>(state >> 8) * 0x1p-23f - 1;
  }
}

/// One product with `copies` copies of its weights for each side.
class Cell {
 public:
  Cell(std::int64_t M, Product p, std::int64_t copies)
      : m_(M),
        p_(p),
        copies_(copies),
        packed_(size((p.N + 15) / 16 * 16 * kernels::padded_k_bf16(p.K) + 2047) / 2048 * 2048),
        ours_(packed_ * size(copies)),
        x_(size(M * p.K)),
        y_(size(M * p.N)),
        z_(size(M * p.N)),
        bias_(size(p.N), 0.5f) {
    std::vector<float> x(size(M * p.K)), w(size(p.N * p.K));
    fill(x);
    fill(w);
    // K of every shape is a multiple of 32: the rows of both sides are the same bytes.
    table_.round_rows_bf16(x_.data(), p.K, x.data(), p.K, M, p.K);
    table_.pack_bf16(ours_.data(), w.data(), p.K, 1, p.K, 0, p.N);
    for (std::int64_t c = 1; c < copies; ++c) {
      std::memcpy(ours_.data() + size(c) * packed_, ours_.data(), packed_ * 2);
    }
    prepare_onednn(w);
  }

  void ours() {
    kernels::GemmBf16Args a = {.y = y_.data(), .ldy = p_.N, .x = x_.data(), .ldx = p_.K};
    a.w = ours_.data() + size(turn_++ % copies_) * packed_;
    a.bias = bias_.data();
    a.M = m_, a.N = p_.N, a.K = p_.K, a.n_end = p_.N;
    table_.gemm_bf16(a);
  }
  void theirs() {
    arguments_[DNNL_ARG_WEIGHTS] = their_weights_[size(their_turn_++ % copies_)];
    primitive_.execute(stream_, arguments_);
  }
  /// The greatest difference of the two results.
  double parity() {
    ours();
    theirs();
    double worst = 0;
    for (std::size_t i = 0; i < size(m_ * p_.N); ++i) {
      worst = std::max(worst, std::abs(double{y_.data()[i]} - z_.data()[i]));
    }
    return worst;
  }

 private:
  void prepare_onednn(std::vector<float>& w) {
    using dnnl::memory;
    using Tag = memory::format_tag;
    const auto bf16 = memory::data_type::bf16, f32 = memory::data_type::f32;
    const memory::desc x({m_, p_.K}, bf16, Tag::ab), any({p_.N, p_.K}, bf16, Tag::any);
    const memory::desc plain({p_.N, p_.K}, f32, Tag::ab), b({p_.N}, f32, Tag::a);
    const memory::desc y({m_, p_.N}, f32, Tag::ab);
    const dnnl::inner_product_forward::desc d(dnnl::prop_kind::forward_inference, x, any, b, y);
    const dnnl::inner_product_forward::primitive_desc pd(d, engine_);
    primitive_ = dnnl::inner_product_forward(pd);
    memory from(plain, engine_, w.data());
    const std::size_t bytes = (pd.weights_desc().get_size() + 4095) / 4096 * 4096;
    their_pages_ = std::make_unique<Pages<std::uint8_t>>(bytes * size(copies_));
    for (std::int64_t c = 0; c < copies_; ++c) {
      their_weights_.emplace_back(pd.weights_desc(), engine_,
                                  their_pages_->data() + size(c) * bytes);
      dnnl::reorder(from, their_weights_.back()).execute(stream_, from, their_weights_.back());
    }
    stream_.wait();
    arguments_ = {{DNNL_ARG_SRC, memory(x, engine_, x_.data())},
                  {DNNL_ARG_BIAS, memory(b, engine_, bias_.data())},
                  {DNNL_ARG_DST, memory(y, engine_, z_.data())}};
  }

  kernels::KernelTable table_ = kernels::make_table(kernels::supported_isas().back());
  std::int64_t m_;
  Product p_;
  std::int64_t copies_, turn_ = 0, their_turn_ = 0;
  std::size_t packed_;
  Pages<std::uint16_t> ours_, x_;
  Pages<float> y_, z_;
  std::vector<float> bias_;
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  dnnl::inner_product_forward primitive_;
  std::unique_ptr<Pages<std::uint8_t>> their_pages_;
  std::vector<dnnl::memory> their_weights_;
  std::unordered_map<int, dnnl::memory> arguments_;
};

void run(bool cold, std::int64_t only_m) {
  const dnnl_version_t* v = dnnl_version();
  std::printf("# oneDNN %d.%d.%d, weights %s, 1 thread, clock %.2f GHz\n", v->major, v->minor,
              v->patch, cold ? "cold" : "hot", clock_ghz());
  std::printf("#   M     N     K  p25     p50     ours    oneDNN  GFLOP/s, difference\n");
  std::vector<std::int64_t> rows = {1, 8, 32, 128};
  if (only_m > 0) rows = {only_m};
  for (const std::int64_t M : rows) {
    double log_sum = 0;
    for (const Product& p : kProducts) {
      const std::int64_t bytes = 2 * p.N * p.K;
      Cell cell(M, p, cold ? (std::int64_t{256} << 20) / bytes + 1 : 1);
      const double parity = cell.parity();
      const Comparison c = interleave([&] { cell.ours(); }, [&] { cell.theirs(); }, 40, 1.5e-3);
      // 2 operations per product and sum.
      const double gflop = 2e-9 * static_cast<double>(M * p.N * p.K);
      std::printf("%5ld %5ld %5ld  %6.3f  %6.3f  %7.1f %7.1f  %.1e\n", static_cast<long>(M),
                  static_cast<long>(p.N), static_cast<long>(p.K), c.ratio_p25, c.ratio_p50,
                  gflop / c.ours, gflop / c.theirs, parity);
      std::fflush(stdout);
      log_sum += std::log(c.ratio_p25);
    }
    std::printf("# M = %ld: geometric mean of p25 %.3f\n", static_cast<long>(M),
                std::exp(log_sum / static_cast<double>(kProducts.size())));
  }
}

}  // namespace
}  // namespace linnet::bench

int main(int argc, char** argv) {
  bool cold = false;
  std::int64_t m = 0;
  for (int i = 1; i < argc; ++i) {
    if (std::string(argv[i]) == "--cold") {
      cold = true;
    } else if (std::string(argv[i]) == "--m" && i + 1 < argc && std::atoi(argv[i + 1]) > 0) {
      m = std::atoi(argv[++i]);
    } else {
      std::fprintf(stderr, "usage: %s [--cold] [--m ROWS]\n", argv[0]);
      return 2;
    }
  }
  omp_set_num_threads(1);
  linnet::bench::run(cold, m);
}
