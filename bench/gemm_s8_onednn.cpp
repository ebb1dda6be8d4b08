// INT8 products against oneDNN, interleaved: bench_gemm_s8_onednn [--cold] [--level NAME]
// [--rounds N] [--m ROWS] [--n COLUMNS --k INNER] [--epilogue none|gelu|requantize]
// [--pages huge|small]
//
// hot: the same weights in every call; cold: cycling through 256 MB of weights, which is what a
// model sees. All memory is on 2 MB pages (huge) or 4 KB pages (small). Packing of weights and
// quantising of x are excluded on both sides, bias is included. A level without AVX-512 meets
// oneDNN capped to it, with x unsigned and below 128: what oneDNN is fastest with there, and exact
// without VNNI. requantize ends in INT8: here with a scale for each row, found in the same call;
// there with one constant scale, which is less work. One thread.
#include <omp.h>
#include <sys/prctl.h>

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

using kernels::Isa;

enum class Epilogue { kNone, kGelu, kRequantize };

struct Options {
  bool cold = false;
  Isa isa = kernels::supported_isas().back();
  int rounds = 60;
  std::int64_t only_m = 0;
  Product only = {0, 0};
  bool small_pages = false;
  Epilogue epilogue = Epilogue::kNone;
};

constexpr float kXScale = 0.01f, kWScale = 0.001f, kYScale = 0.05f;
constexpr std::int64_t kChunk = 64;

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

/// Numbers in -127 .. 127.
void fill(std::int8_t* x, std::size_t n) {
  std::uint32_t state = 12345;
  for (std::size_t i = 0; i < n; ++i) {
    state = state * 1664525u + 1013904223u;
    x[i] = static_cast<std::int8_t>(static_cast<int>((state >> 24) % 255) - 127);
  }
}

/// One product with `copies` copies of its weights for each side.
class Cell {
 public:
  Cell(const Options& o, std::int64_t M, Product p, std::int64_t copies)
      : table_(kernels::make_table(o.isa)),
        epilogue_(o.epilogue),
        unsigned_x_(o.isa < Isa::kAvx512),
        m_(M),
        p_(p),
        copies_(copies),
        packed_bytes_(size((p.N + 15) / 16 * 16 * kernels::column_bytes_s8(p.K) + 4095) / 4096 *
                      4096),
        ours_(packed_bytes_ * size(copies)),
        x_(size(M * p.K)),
        their_x_(size(M * p.K)),
        y_(size(M * p.N)),
        z_(size(M * p.N)),
        q_(size(M * kernels::padded_k(p.N))),
        their_q_(size(M * p.N)),
        bias_(size(p.N), 0.5f),
        x_scale_(size(M), kXScale),
        w_scale_(size(p.N), kWScale),
        q_scale_(size(M)) {
    std::vector<std::int8_t> w(size(p.N * p.K));
    fill(w.data(), w.size());
    fill(their_x_.data(), size(M * p.K));
    if (unsigned_x_) {
      for (std::size_t i = 0; i < size(M * p.K); ++i) their_x_.data()[i] &= 127;
    }
    for (std::size_t i = 0; i < size(M * p.K); ++i) {
      x_.data()[i] = static_cast<std::uint8_t>(their_x_.data()[i] + table_.gemm_s8.shift);
    }
    table_.pack_s8(ours_.data(), w.data(), p.K, 1, p.K, 0, p.N);
    for (std::int64_t c = 1; c < copies; ++c) {
      std::memcpy(packed(c), ours_.data(), packed_bytes_);
    }
    prepare_onednn(w);
  }

  void ours() {
    kernels::GemmS8Args a = {.y = y_.data(), .ldy = p_.N, .x = x_.data(), .ldx = p_.K};
    a.x_scale = x_scale_.data();
    a.w = packed(turn_++ % copies_);
    a.w_scale = w_scale_.data();
    a.bias = bias_.data();
    if (epilogue_ != Epilogue::kNone) a.activation = kernels::Activation::kGelu;
    a.N = p_.N, a.K = p_.K, a.n_end = p_.N;
    if (epilogue_ != Epilogue::kRequantize) {
      a.M = m_;
      return table_.gemm_s8.run(a);
    }
    // A few rows at a time, so that they are quantised before they leave the cache.
    for (std::int64_t m = 0; m < m_; m += kChunk) {
      a.M = std::min(kChunk, m_ - m);
      a.y = y_.data() + m * p_.N, a.x = x_.data() + m * p_.K, a.x_scale = x_scale_.data() + m;
      table_.gemm_s8.run(a);
      table_.quantize_rows_s8({.q = q_.data() + m * kernels::padded_k(p_.N),
                               .ldq = kernels::padded_k(p_.N),
                               .scale = q_scale_.data() + m,
                               .x = a.y,
                               .ldx = p_.N,
                               .M = a.M,
                               .K = p_.N,
                               .shift = table_.gemm_s8.shift});
    }
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
    for (std::int64_t i = 0; i < m_ * p_.N; ++i) {
      const double theirs =
          epilogue_ == Epilogue::kRequantize ? their_q_.data()[i] * double{kYScale} : z_.data()[i];
      worst = std::max(worst, std::abs(double{y_.data()[i]} - theirs));
    }
    return worst;
  }

 private:
  std::int8_t* packed(std::int64_t copy) { return ours_.data() + size(copy) * packed_bytes_; }

  void prepare_onednn(std::vector<std::int8_t>& w) {
    using dnnl::memory;
    using Tag = memory::format_tag;
    const auto s8 = memory::data_type::s8, f32 = memory::data_type::f32;
    const bool to_s8 = epilogue_ == Epilogue::kRequantize;
    const auto x_type = unsigned_x_ ? memory::data_type::u8 : s8;
    const memory::desc x({m_, p_.K}, x_type, Tag::ab), any({p_.N, p_.K}, s8, Tag::any);
    const memory::desc plain({p_.N, p_.K}, s8, Tag::ab), b({p_.N}, f32, Tag::a);
    const memory::desc y({m_, p_.N}, to_s8 ? s8 : f32, Tag::ab);
    const dnnl::inner_product_forward::desc d(dnnl::prop_kind::forward_inference, x, any, b, y);
    dnnl::primitive_attr attr;
    attr.set_output_scales(1 << 1, std::vector<float>(size(p_.N), kXScale * kWScale));
    for (float& v : their_bias_) v = 0.5f / (kXScale * kWScale);  // the scales include the bias
    dnnl::post_ops post;
    if (epilogue_ != Epilogue::kNone) {
      post.append_eltwise(to_s8 ? 1.0f / kYScale : 1.0f, dnnl::algorithm::eltwise_gelu_erf, 0, 0);
    }
    attr.set_post_ops(post);
    const dnnl::inner_product_forward::primitive_desc pd(d, attr, engine_);
    implementation_ = pd.impl_info_str();
    primitive_ = dnnl::inner_product_forward(pd);
    memory from(plain, engine_, w.data());
    const std::size_t bytes = (pd.weights_desc().get_size() + 4095) / 4096 * 4096;
    their_pages_ = std::make_unique<Pages<std::int8_t>>(bytes * size(copies_));
    for (std::int64_t c = 0; c < copies_; ++c) {
      their_weights_.emplace_back(pd.weights_desc(), engine_,
                                  their_pages_->data() + size(c) * bytes);
      dnnl::reorder(from, their_weights_.back()).execute(stream_, from, their_weights_.back());
    }
    stream_.wait();
    void* const out = to_s8 ? static_cast<void*>(their_q_.data()) : z_.data();
    arguments_ = {{DNNL_ARG_SRC, memory(x, engine_, their_x_.data())},
                  {DNNL_ARG_BIAS, memory(b, engine_, their_bias_.data())},
                  {DNNL_ARG_DST, memory(y, engine_, out)}};
  }

  kernels::KernelTable table_;
  Epilogue epilogue_;
  bool unsigned_x_;
  std::int64_t m_;
  Product p_;
  std::int64_t copies_, turn_ = 0, their_turn_ = 0;
  std::size_t packed_bytes_;
  Pages<std::int8_t> ours_;
  Pages<std::uint8_t> x_;
  Pages<std::int8_t> their_x_;
  Pages<float> y_, z_;
  Pages<std::uint8_t> q_;
  Pages<std::int8_t> their_q_;
  std::vector<float> bias_, x_scale_, w_scale_, q_scale_;
  std::vector<float> their_bias_ = bias_;
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  dnnl::inner_product_forward primitive_;
  std::string implementation_;
  std::unique_ptr<Pages<std::int8_t>> their_pages_;
  std::vector<dnnl::memory> their_weights_;
  std::unordered_map<int, dnnl::memory> arguments_;
};

void print_cell(const Options& o, std::int64_t M, Product p, double peak, double* log_sum) {
  const std::int64_t bytes = p.N * p.K;
  const std::int64_t copies = o.cold ? (std::int64_t{256} << 20) / bytes + 1 : 1;
  Cell cell(o, M, p, copies);
  const double parity = cell.parity();
  const Comparison c = interleave([&] { cell.ours(); }, [&] { cell.theirs(); }, o.rounds, 1.5e-3);
  // 2 operations per product and sum; the weights are read once.
  const double gop = 2e-9 * static_cast<double>(M * p.N * p.K);
  std::printf("%5ld %5ld %5ld  %6.3f  %6.3f  %7.1f %7.1f  %5.1f %%  %6.1f GB/s  %.1e\n",
              static_cast<long>(M), static_cast<long>(p.N), static_cast<long>(p.K), c.ratio_p25,
              c.ratio_p50, gop / c.ours, gop / c.theirs, 100 * gop / c.ours / peak,
              1e-9 * static_cast<double>(bytes) / c.ours, parity);
  std::fflush(stdout);
  *log_sum += std::log(c.ratio_p25);
}

void run(const Options& o) {
  const dnnl_version_t* v = dnnl_version();
  std::printf(
      "# level %s, oneDNN %d.%d.%d, weights %s, %s pages, 1 thread, clock %.2f GHz, peak %.0f "
      "GOP/s, memory "
      "%.1f GB/s\n",
      kernels::name(o.isa), v->major, v->minor, v->patch, o.cold ? "cold" : "hot",
      o.small_pages ? "4 KB" : "2 MB", clock_ghz(), peak_gops_s8(o.isa), memory_gbytes());
  std::printf(
      "#   M     N     K  p25     p50     ours    oneDNN   share   weights       difference\n");
  std::vector<std::int64_t> rows = {1, 8, 32, 128};
  if (!o.cold) rows.push_back(512);
  if (o.only_m != 0) rows = {o.only_m};
  for (const std::int64_t M : rows) {
    const double peak = peak_gops_s8(o.isa);
    double log_sum = 0;
    std::vector<Product> products(kProducts.begin(), kProducts.end());
    if (o.only.N != 0) products = {o.only};
    for (const Product& p : products) print_cell(o, M, p, peak, &log_sum);
    std::printf("# M = %ld: geometric mean of p25 %.3f, peak %.0f GOP/s, memory %.1f GB/s\n",
                static_cast<long>(M), std::exp(log_sum / static_cast<double>(products.size())),
                peak, memory_gbytes());
  }
}

bool parse_epilogue(const std::string& text, Epilogue& epilogue) {
  if (text == "none") epilogue = Epilogue::kNone;
  if (text == "gelu") epilogue = Epilogue::kGelu;
  if (text == "requantize") epilogue = Epilogue::kRequantize;
  return text == "none" || text == "gelu" || text == "requantize";
}

bool parse_count(const char* text, std::int64_t& n) {
  n = std::atoi(text);
  return n > 0;
}

/// One option that has a value. False when there is none of that name, or the value is no good.
bool parse(const std::string& name, const std::string& value, Options& o) {
  std::int64_t rounds = 0;
  if (name == "--level") return kernels::parse_isa(value, o.isa);
  if (name == "--m") return parse_count(value.c_str(), o.only_m);
  if (name == "--n") return parse_count(value.c_str(), o.only.N);
  if (name == "--k") return parse_count(value.c_str(), o.only.K);
  if (name == "--epilogue") return parse_epilogue(value, o.epilogue);
  if (name == "--pages") {
    o.small_pages = value == "small";
    return o.small_pages || value == "huge";
  }
  if (name != "--rounds" || !parse_count(value.c_str(), rounds)) return false;
  o.rounds = static_cast<int>(rounds);
  return true;
}

/// A capped level meets a capped opponent.
void cap_onednn(Isa isa) {
  if (isa == Isa::kAvxVnni) {
    dnnl::set_max_cpu_isa(dnnl::cpu_isa::avx2_vnni);
  } else if (isa < Isa::kAvx512) {
    dnnl::set_max_cpu_isa(dnnl::cpu_isa::avx2);
  } else if (isa == Isa::kAvx512) {
    dnnl::set_max_cpu_isa(dnnl::cpu_isa::avx512_core);
  }
}

}  // namespace
}  // namespace linnet::bench

int main(int argc, char** argv) {
  linnet::bench::Options o;
  for (int i = 1; i < argc; ++i) {
    const char* value = i + 1 < argc ? argv[i + 1] : "";
    if (std::string(argv[i]) == "--cold") {
      o.cold = true;
    } else if (linnet::bench::parse(argv[i], value, o)) {
      ++i;
    } else {
      std::fprintf(stderr,
                   "usage: %s [--cold] [--level NAME] [--rounds N] [--m ROWS] [--n COLUMNS --k "
                   "INNER] [--epilogue none|gelu|requantize] [--pages huge|small]\n",
                   argv[0]);
      return 2;
    }
  }
  if ((o.only.N == 0) != (o.only.K == 0)) {
    std::fprintf(stderr, "%s: --n and --k belong together\n", argv[0]);
    return 2;
  }
  if (o.small_pages) prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
  linnet::bench::cap_onednn(o.isa);
  omp_set_num_threads(1);
  linnet::bench::run(o);
}
