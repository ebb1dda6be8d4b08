#include "tools/bench/gemm_operands.h"

namespace linnet::bench {
namespace {

using kernels::Isa;

class GemmCaseF32 final : public GemmCase {
 public:
  explicit GemmCaseF32(const GemmProblem& p)
      : gemm_(kernels::make_table(p.isa).gemm_f32),
        p_(p),
        bytes_(gemm_.packed_floats(p.N, p.K) * 4),
        packed_(bytes_, p.copies, p.pages),
        x_(size(p.M * p.K), p.pages),
        y_(size(p.M * p.N), p.pages),
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

  bool agrees() const override {
    const kernels::GemmF32 reference = kernels::make_table(Isa::kReference).gemm_f32;
    Pages<float> packed(size(reference.packed_floats(p_.N, p_.K)));
    return samples_agree(
        y_.data(), p_.M, p_.N, reference.column_step,
        [&](std::int64_t first, std::int64_t rows, std::int64_t begin, std::int64_t end,
            float* want) {
          reference.pack(packed.data(), w_.data(), p_.K, 1, p_.N, p_.K, begin, end);
          kernels::GemmF32Args a = arguments();
          a.w = packed.data();
          a.x += first * p_.K, a.y = want, a.M = rows;
          a.n_begin = begin, a.n_end = end;
          reference.run(a);
        },
        [this](const float* y, const float* want, std::int64_t rows, std::int64_t begin,
               std::int64_t end) { return equal(y, want, rows, p_.N, begin, end); });
  }

  GemmOperands operands() const override {
    return {.x = x_.data(), .ldx = p_.K, .w = w_.data(), .bias = bias_.data()};
  }
  const float* y() const override { return y_.data(); }

  std::int64_t weight_bytes() const override { return bytes_; }

 private:
  kernels::GemmF32Args arguments() const {
    kernels::GemmF32Args a;
    a.ldy = p_.N, a.x = x_.data(), a.ldx = p_.K, a.bias = bias_.data();
    a.M = p_.M, a.N = p_.N, a.K = p_.K;
    if (p_.epilogue != Epilogue::kNone) a.activation = kernels::Activation::kGelu;
    return a;
  }

  kernels::GemmF32 gemm_;
  GemmProblem p_;
  std::int64_t bytes_;
  Copies packed_;
  Pages<float> x_, y_, bias_, w_;
};

}  // namespace

std::unique_ptr<GemmCase> make_gemm_case_f32(const GemmProblem& problem) {
  return std::make_unique<GemmCaseF32>(problem);
}

}  // namespace linnet::bench
