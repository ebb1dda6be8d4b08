#include "tools/bench/gemm_case.h"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <vector>

namespace linnet::bench {
namespace {

using kernels::Isa;
using kernels::KernelTable;

constexpr std::size_t kBorder = 4096;  // copies of weights begin on pages

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

/// Numbers in [-0.5, 0.5), always the same.
void fill(float* x, std::int64_t n, std::uint32_t state) {
  for (std::int64_t i = 0; i < n; ++i) {
    state = state * 1664525u + 1013904223u;
    x[i] = static_cast<float>(state >> 8) * 0x1p-24f - 0.5f;
  }
}

void fill(std::int8_t* x, std::int64_t n, std::uint32_t state) {
  for (std::int64_t i = 0; i < n; ++i) {
    state = state * 1664525u + 1013904223u;
    x[i] = static_cast<std::int8_t>(static_cast<int>((state >> 8) % 255) - 127);
  }
}

/// Copies of packed weights, one after the other.
class Copies {
 public:
  Copies(std::int64_t bytes, std::int64_t count, PageSize pages)
      : stride_((size(bytes) + kBorder - 1) / kBorder * kBorder),
        count_(count),
        memory_(stride_ * size(count), pages) {}
  std::byte* first() { return memory_.data(); }
  /// After the first one has been written.
  void multiply() {
    for (std::int64_t c = 1; c < count_; ++c) {
      std::memcpy(memory_.data() + size(c) * stride_, memory_.data(), stride_);
    }
  }
  const std::byte* next() {
    turn_ = (turn_ + 1) % count_;
    return memory_.data() + size(turn_) * stride_;
  }

 private:
  std::size_t stride_;
  std::int64_t count_, turn_ = -1;
  Pages<std::byte> memory_;
};

/// f(n_begin, n_end) for each thread's columns of N, which begin at multiples of `step`.
template <class F>
void for_columns(Threads& threads, std::int64_t N, std::int64_t step, F&& f) {
  parallel_for(threads, (N + step - 1) / step, 1, [&](std::int64_t begin, std::int64_t end, int) {
    f(begin * step, std::min(end * step, N));
  });
}

/// Whether y [rows, N] agrees with `want` [rows, N] in columns [begin, end), bit for bit.
bool equal(const float* y, const float* want, std::int64_t rows, std::int64_t N, std::int64_t begin,
           std::int64_t end) {
  for (std::int64_t m = 0; m < rows; ++m) {
    if (std::memcmp(y + m * N + begin, want + m * N + begin, size(end - begin) * 4) != 0) {
      return false;
    }
  }
  return true;
}

/// Calls run(first row, rows, n_begin, n_end, want), which computes a sample by the reference into
/// want [rows, N], for up to 3 first and 3 last rows and about 100 first and last columns, and
/// compares.
template <class Run>
bool samples_agree(const float* y, std::int64_t M, std::int64_t N, std::int64_t step, Run run) {
  const std::int64_t rows = std::min<std::int64_t>(M, 3);
  std::vector<float> want(size(rows * N));
  const std::int64_t width = (96 + step - 1) / step * step;
  const std::int64_t last = std::max<std::int64_t>(N - 1, 0) / step * step;
  for (const std::int64_t first : {std::int64_t{0}, M - rows}) {
    const std::int64_t begins[] = {0, std::max<std::int64_t>(last - width, 0)};
    const std::int64_t ends[] = {std::min(width, N), N};
    for (int side = 0; side < 2; ++side) {
      run(first, rows, begins[side], ends[side], want.data());
      if (!equal(y + first * N, want.data(), rows, N, begins[side], ends[side])) return false;
    }
  }
  return true;
}

class GemmCaseF32 final : public GemmCase {
 public:
  explicit GemmCaseF32(const GemmProblem& p)
      : gemm_(kernels::make_table(p.isa).gemm_f32),
        p_(p),
        bytes_(gemm_.packed_floats(p.N, p.K) * 4),
        packed_(bytes_, p.copies, p.pages),
        x_(size(p.M * p.K)),
        y_(size(p.M * p.N)),
        bias_(size(p.N)),
        w_(size(p.N * p.K)) {
    fill(x_.data(), p.M * p.K, 1);
    fill(bias_.data(), p.N, 2);
    fill(w_.data(), p.N * p.K, 3);
    gemm_.pack(reinterpret_cast<float*>(packed_.first()), w_.data(), p.K, 1, p.N, p.K, 0, p.N);
    packed_.multiply();
  }

  void run(Threads& threads) override {
    kernels::GemmF32Args a = arguments();
    a.y = y_.data();
    a.w = reinterpret_cast<const float*>(packed_.next());
    for_columns(threads, p_.N, gemm_.column_step, [&](std::int64_t begin, std::int64_t end) {
      kernels::GemmF32Args slice = a;
      slice.n_begin = begin, slice.n_end = end;
      gemm_.run(slice);
    });
  }

  bool same_bits() const override {
    const kernels::GemmF32 reference = kernels::make_table(Isa::kReference).gemm_f32;
    Pages<float> packed(size(reference.packed_floats(p_.N, p_.K)));
    return samples_agree(y_.data(), p_.M, p_.N, reference.column_step,
                         [&](std::int64_t first, std::int64_t rows, std::int64_t begin,
                             std::int64_t end, float* want) {
                           reference.pack(packed.data(), w_.data(), p_.K, 1, p_.N, p_.K, begin,
                                          end);
                           kernels::GemmF32Args a = arguments();
                           a.w = packed.data();
                           a.x += first * p_.K, a.y = want, a.M = rows;
                           a.n_begin = begin, a.n_end = end;
                           reference.run(a);
                         });
  }

  std::int64_t weight_bytes() const override { return bytes_; }

 private:
  kernels::GemmF32Args arguments() const {
    kernels::GemmF32Args a;
    a.ldy = p_.N, a.x = x_.data(), a.ldx = p_.K, a.bias = bias_.data();
    a.M = p_.M, a.N = p_.N, a.K = p_.K;
    return a;
  }

  kernels::GemmF32 gemm_;
  GemmProblem p_;
  std::int64_t bytes_;
  Copies packed_;
  Pages<float> x_, y_, bias_, w_;
};

class GemmCaseS8 final : public GemmCase {
 public:
  explicit GemmCaseS8(const GemmProblem& p)
      : table_(kernels::make_table(p.isa)),
        p_(p),
        ldx_(kernels::padded_k(p.K)),
        bytes_((p.N + 15) / 16 * 16 * kernels::column_bytes_s8(p.K)),
        packed_(bytes_, p.copies, p.pages),
        plain_(size(p.M * p.K)),
        x_(size(p.M * ldx_)),
        scale_(size(p.M)),
        y_(size(p.M * p.N)),
        bias_(size(p.N)),
        w_scale_(size(p.N)),
        w_(size(p.N * p.K)) {
    fill(plain_.data(), p.M * p.K, 1);
    fill(bias_.data(), p.N, 2);
    fill(w_scale_.data(), p.N, 3);
    fill(w_.data(), p.N * p.K, 4);
    quantize(table_, x_.data(), scale_.data());
    table_.pack_s8(first_packed(), w_.data(), p.K, 1, p.K, 0, p.N);
    packed_.multiply();
  }

  void run(Threads& threads) override {
    kernels::GemmS8Args a = arguments();
    a.x = x_.data(), a.x_scale = scale_.data();
    a.w = reinterpret_cast<const std::int8_t*>(packed_.next());
    a.y = y_.data();
    for_columns(threads, p_.N, kernels::kPanelS8, [&](std::int64_t begin, std::int64_t end) {
      kernels::GemmS8Args slice = a;
      slice.n_begin = begin, slice.n_end = end;
      table_.gemm_s8.run(slice);
    });
  }

  bool same_bits() const override {
    const KernelTable reference = kernels::make_table(Isa::kReference);
    Pages<std::int8_t> packed(size(bytes_));
    std::vector<std::uint8_t> x(size(p_.M * ldx_));
    std::vector<float> scale(size(p_.M));
    quantize(reference, x.data(), scale.data());
    return samples_agree(y_.data(), p_.M, p_.N, kernels::kPanelS8,
                         [&](std::int64_t first, std::int64_t rows, std::int64_t begin,
                             std::int64_t end, float* want) {
                           reference.pack_s8(packed.data(), w_.data(), p_.K, 1, p_.K, begin, end);
                           kernels::GemmS8Args a = arguments();
                           a.w = packed.data(), a.x = x.data() + first * ldx_;
                           a.x_scale = scale.data() + first, a.y = want, a.M = rows;
                           a.n_begin = begin, a.n_end = end;
                           reference.gemm_s8.run(a);
                         });
  }

  std::int64_t weight_bytes() const override { return bytes_; }

 private:
  std::int8_t* first_packed() { return reinterpret_cast<std::int8_t*>(packed_.first()); }

  void quantize(const KernelTable& table, std::uint8_t* q, float* scale) const {
    kernels::QuantizeRowsS8Args a;
    a.q = q, a.ldq = ldx_, a.scale = scale, a.x = plain_.data(), a.ldx = p_.K;
    a.M = p_.M, a.K = p_.K, a.shift = table.gemm_s8.shift;
    table.quantize_rows_s8(a);
  }

  kernels::GemmS8Args arguments() const {
    kernels::GemmS8Args a;
    a.ldy = p_.N, a.ldx = ldx_, a.w_scale = w_scale_.data(), a.bias = bias_.data();
    a.M = p_.M, a.N = p_.N, a.K = p_.K;
    return a;
  }

  KernelTable table_;
  GemmProblem p_;
  std::int64_t ldx_, bytes_;
  Copies packed_;
  Pages<float> plain_;
  Pages<std::uint8_t> x_;
  Pages<float> scale_, y_, bias_, w_scale_;
  Pages<std::int8_t> w_;
};

}  // namespace

const char* name(NumberType type) { return type == NumberType::kF32 ? "f32" : "s8"; }

std::unique_ptr<GemmCase> make_gemm_case(const GemmProblem& problem) {
  if (problem.type == NumberType::kS8) return std::make_unique<GemmCaseS8>(problem);
  return std::make_unique<GemmCaseF32>(problem);
}

kernels::Isa provider(NumberType type, kernels::Isa isa) {
  const std::string_view slot = type == NumberType::kF32 ? "gemm_f32" : "gemm_s8";
  for (const kernels::SlotInfo& info : kernels::slots(kernels::make_table(isa))) {
    if (info.name == slot) return info.provider;
  }
  return isa;
}

std::int64_t cold_copies(NumberType type, std::int64_t N, std::int64_t K) {
  const std::int64_t bytes = std::max<std::int64_t>(N * K * (type == NumberType::kF32 ? 4 : 1), 1);
  return (std::int64_t{256} << 20) / bytes + 1;
}

}  // namespace linnet::bench
