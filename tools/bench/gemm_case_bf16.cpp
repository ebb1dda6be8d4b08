#include "tools/bench/gemm_operands.h"

namespace linnet::bench {
namespace {

using kernels::Isa;

class GemmCaseBf16 final : public GemmCase {
 public:
  explicit GemmCaseBf16(const GemmProblem& p)
      : table_(kernels::make_table(p.isa)),
        p_(p),
        ldx_(kernels::padded_k_bf16(p.K)),
        bytes_((p.N + 15) / 16 * 16 * ldx_ * 2),
        packed_(bytes_, p.copies, p.pages),
        x_(size(p.M * ldx_), p.pages),
        y_(size(p.M * p.N), p.pages),
        bias_(size(p.N)),
        w_(size(p.N * p.K)) {
    Pages<float> x(size(p.M * p.K));
    fill(x.data(), p.M * p.K, 1);
    fill(bias_.data(), p.N, 2);
    fill(w_.data(), p.N * p.K, 3);
    table_.round_rows_bf16(x_.data(), ldx_, x.data(), p.K, p.M, p.K);
    table_.pack_bf16(reinterpret_cast<std::uint16_t*>(packed_.first()), w_.data(), p.K, 1, p.K, 0,
                     p.N);
    packed_.multiply();
  }

  void run(Threads& threads) override {
    kernels::GemmBf16Args a = arguments();
    a.y = y_.data();
    a.w = reinterpret_cast<const std::uint16_t*>(packed_.next());
    for_columns(threads, p_.N, kernels::kPanelBf16, [&](std::int64_t begin, std::int64_t end) {
      kernels::GemmBf16Args slice = a;
      slice.n_begin = begin, slice.n_end = end;
      table_.gemm_bf16(slice);
    });
  }

  bool agrees() const override {
    const kernels::KernelTable reference = kernels::make_table(Isa::kReference);
    Pages<std::uint16_t> packed(size(bytes_) / 2);
    return samples_agree(
        y_.data(), p_.M, p_.N, kernels::kPanelBf16,
        [&](std::int64_t first, std::int64_t rows, std::int64_t begin, std::int64_t end,
            float* want) {
          reference.pack_bf16(packed.data(), w_.data(), p_.K, 1, p_.K, begin, end);
          kernels::GemmBf16Args a = arguments();
          a.w = packed.data();
          a.x += first * ldx_, a.y = want, a.M = rows;
          a.n_begin = begin, a.n_end = end;
          reference.gemm_bf16(a);
        },
        [this](const float* y, const float* want, std::int64_t rows, std::int64_t begin,
               std::int64_t end) { return near(y, want, rows, p_.N, p_.K, begin, end); });
  }

  GemmOperands operands() const override {
    return {.x = x_.data(), .ldx = ldx_, .w = w_.data(), .bias = bias_.data()};
  }
  const float* y() const override { return y_.data(); }
  std::int64_t weight_bytes() const override { return bytes_; }

 private:
  kernels::GemmBf16Args arguments() const {
    kernels::GemmBf16Args a;
    a.ldy = p_.N, a.x = x_.data(), a.ldx = ldx_, a.bias = bias_.data();
    a.M = p_.M, a.N = p_.N, a.K = p_.K;
    if (p_.epilogue != Epilogue::kNone) a.activation = kernels::Activation::kGelu;
    return a;
  }

  kernels::KernelTable table_;
  GemmProblem p_;
  std::int64_t ldx_, bytes_;
  Copies packed_;
  Pages<std::uint16_t> x_;
  Pages<float> y_, bias_, w_;
};

}  // namespace

std::unique_ptr<GemmCase> make_gemm_case_bf16(const GemmProblem& problem) {
  return std::make_unique<GemmCaseBf16>(problem);
}

}  // namespace linnet::bench
