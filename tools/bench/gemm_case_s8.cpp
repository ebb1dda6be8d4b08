#include "kernels/gemm_quantize_s8.h"
#include "tools/bench/gemm_operands.h"

namespace linnet::bench {
namespace {

using kernels::Isa;
using kernels::KernelTable;

class GemmCaseS8 final : public GemmCase {
 public:
  explicit GemmCaseS8(const GemmProblem& p)
      : table_(kernels::make_table(p.isa)),
        p_(p),
        ldx_(kernels::padded_k(p.K)),
        ldq_(p.epilogue == Epilogue::kRequantize ? kernels::padded_k(p.N) : 0),
        bytes_((p.N + 15) / 16 * 16 * kernels::column_bytes_s8(p.K)),
        packed_(bytes_, p.copies, p.pages),
        plain_(size(p.M * p.K)),
        x_(size(p.M * ldx_), p.pages),
        scale_(size(p.M)),
        y_(size(p.M * p.N), p.pages),
        q_(size(p.M * ldq_), p.pages),
        activated_(size((p.M / kernels::kRowsBetweenS8 + 1) * ldq_), p.pages),
        q_scale_(size(p.M)),
        bias_(size(p.N)),
        w_scale_(size(p.N)),
        w_(size(p.N * p.K)) {
    fill(plain_.data(), p.M * p.K, 1);
    for (std::int64_t i = 0; p.non_negative && i < p.M * p.K; ++i) {
      plain_.data()[i] = std::abs(plain_.data()[i]);
    }
    // One scale for all rows: other libraries may have no more.
    for (std::int64_t m = 0; m < p.M; ++m) plain_.data()[m * p.K] = 0.5f;
    fill(bias_.data(), p.N, 2);
    fill(w_scale_.data(), p.N, 3);
    for (std::int64_t n = 0; n < p.N; ++n) w_scale_.data()[n] = 1e-3f * (w_scale_.data()[n] + 1);
    fill(w_.data(), p.N * p.K, 4);
    quantize(table_, x_.data(), scale_.data(), plain_.data(), p.M, p.K);
    table_.pack_s8(first_packed(), w_.data(), p.K, 1, p.K, 0, p.N);
    packed_.multiply();
  }

  void run(Threads& threads) override {
    kernels::GemmS8Args a = arguments();
    a.x = x_.data(), a.x_scale = scale_.data();
    a.w = reinterpret_cast<const std::int8_t*>(packed_.next());
    a.y = y_.data();
    if (p_.epilogue == Epilogue::kRequantize) return run_rows(a, threads);
    for_columns(threads, p_.N, kernels::kPanelS8, [&](std::int64_t begin, std::int64_t end) {
      kernels::GemmS8Args slice = a;
      slice.n_begin = begin, slice.n_end = end;
      table_.gemm_s8.run(slice);
    });
  }

  bool agrees() const override {
    if (p_.epilogue == Epilogue::kRequantize) return rows_agree();
    const KernelTable reference = kernels::make_table(Isa::kReference);
    Pages<std::int8_t> packed(size(bytes_));
    std::vector<std::uint8_t> x(size(p_.M * ldx_));
    std::vector<float> scale(size(p_.M));
    quantize(reference, x.data(), scale.data(), plain_.data(), p_.M, p_.K);
    return samples_agree(
        y_.data(), p_.M, p_.N, kernels::kPanelS8,
        [&](std::int64_t first, std::int64_t rows, std::int64_t begin, std::int64_t end,
            float* want) {
          reference.pack_s8(packed.data(), w_.data(), p_.K, 1, p_.K, begin, end);
          kernels::GemmS8Args a = arguments();
          a.w = packed.data(), a.x = x.data() + first * ldx_;
          a.x_scale = scale.data() + first, a.y = want, a.M = rows;
          a.n_begin = begin, a.n_end = end;
          reference.gemm_s8.run(a);
        },
        [this](const float* y, const float* want, std::int64_t rows, std::int64_t begin,
               std::int64_t end) { return equal(y, want, rows, p_.N, begin, end); });
  }

  GemmOperands operands() const override {
    return {.x = x_.data(),
            .ldx = ldx_,
            .w = w_.data(),
            .bias = bias_.data(),
            .w_scale = w_scale_.data(),
            .x_scale = scale_.data()[0],
            .shift = table_.gemm_s8.shift};
  }
  const float* y() const override {
    if (p_.epilogue != Epilogue::kRequantize) return y_.data();
    dequantised_.resize(size(p_.M * p_.N));
    for (std::int64_t m = 0; m < p_.M; ++m) {
      const std::uint8_t* q = q_.data() + m * ldq_;
      std::transform(q, q + p_.N, dequantised_.data() + m * p_.N, [&](std::uint8_t byte) {
        const auto number = static_cast<std::int8_t>(byte - table_.gemm_s8.shift);
        return static_cast<float>(number) * q_scale_.data()[m];
      });
    }
    return dequantised_.data();
  }

  std::int64_t weight_bytes() const override { return bytes_; }

 private:
  /// Whole rows for each thread, which keeps its floats where its part of y would begin.
  void run_rows(const kernels::GemmS8Args& all, Threads& threads) {
    constexpr std::int64_t kRows = kernels::kRowsBetweenS8;
    parallel_for(
        threads, (p_.M + kRows - 1) / kRows, 1, [&](std::int64_t begin, std::int64_t end, int) {
          const std::int64_t m = begin * kRows;
          kernels::GemmS8Args a = all;
          a.M = std::min(end * kRows, p_.M) - m;
          a.y = y_.data() + m * p_.N, a.x = x_.data() + m * ldx_, a.x_scale = scale_.data() + m;
          kernels::gemm_quantize_s8(table_,
                                    {a, quantisation(q_.data() + m * ldq_, q_scale_.data() + m,
                                                     activated_.data() + begin * ldq_)});
        });
  }

  /// Of gelu_q: the first and last rows against those of the reference.
  bool rows_agree() const {
    const KernelTable reference = kernels::make_table(Isa::kReference);
    const std::int64_t rows = std::min<std::int64_t>(p_.M, 3);
    Pages<std::int8_t> packed(size(bytes_));
    reference.pack_s8(packed.data(), w_.data(), p_.K, 1, p_.K, 0, p_.N);
    std::vector<std::uint8_t> x(size(p_.M * ldx_)), q(size(rows * ldq_));
    std::vector<float> scale(size(p_.M)), y(size(rows * p_.N)), q_scale(size(rows));
    std::vector<float> activated(size(ldq_));
    quantize(reference, x.data(), scale.data(), plain_.data(), p_.M, p_.K);
    for (const std::int64_t first : {std::int64_t{0}, p_.M - rows}) {
      kernels::GemmS8Args a = arguments();
      a.w = packed.data(), a.x = x.data() + first * ldx_, a.x_scale = scale.data() + first;
      a.y = y.data(), a.M = rows, a.n_end = p_.N;
      kernels::gemm_quantize_s8(reference,
                                {a, quantisation(q.data(), q_scale.data(), activated.data())});
      if (!std::equal(q.begin(), q.end(), q_.data() + first * ldq_) ||
          !std::equal(q_scale.begin(), q_scale.end(), q_scale_.data() + first)) {
        return false;
      }
    }
    return true;
  }

  /// Of y [m, N] through gelu_q, with the shift of this table.
  kernels::QuantizeRowsS8Args quantisation(std::uint8_t* q, float* scale, float* activated) const {
    kernels::QuantizeRowsS8Args a;
    a.q = q, a.ldq = ldq_, a.scale = scale, a.shift = table_.gemm_s8.shift;
    a.activation = kernels::Activation::kGeluQ, a.scratch = activated;
    return a;
  }

  std::int8_t* first_packed() { return reinterpret_cast<std::int8_t*>(packed_.first()); }

  /// Rows of x [M, K] to q, which end to end are padded_k(K) wide.
  static void quantize(const KernelTable& table, std::uint8_t* q, float* scale, const float* x,
                       std::int64_t M, std::int64_t K) {
    kernels::QuantizeRowsS8Args a;
    a.q = q, a.ldq = kernels::padded_k(K), a.scale = scale, a.x = x, a.ldx = K;
    a.M = M, a.K = K, a.shift = table.gemm_s8.shift;
    table.quantize_rows_s8(a);
  }

  kernels::GemmS8Args arguments() const {
    kernels::GemmS8Args a;
    a.ldy = p_.N, a.ldx = ldx_, a.w_scale = w_scale_.data(), a.bias = bias_.data();
    a.M = p_.M, a.N = p_.N, a.K = p_.K;
    if (p_.epilogue == Epilogue::kGelu) a.activation = kernels::Activation::kGelu;
    return a;
  }

  KernelTable table_;
  GemmProblem p_;
  std::int64_t ldx_, ldq_, bytes_;
  Copies packed_;
  Pages<float> plain_;
  Pages<std::uint8_t> x_;
  Pages<float> scale_, y_;
  Pages<std::uint8_t> q_;
  Pages<float> activated_;
  mutable std::vector<float> dequantised_;
  Pages<float> q_scale_, bias_, w_scale_;
  Pages<std::int8_t> w_;
};

}  // namespace

std::unique_ptr<GemmCase> make_gemm_case_s8(const GemmProblem& problem) {
  return std::make_unique<GemmCaseS8>(problem);
}

}  // namespace linnet::bench
