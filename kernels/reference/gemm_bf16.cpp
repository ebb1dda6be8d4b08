#include "kernels/reference/bf16.h"
#include "kernels/reference/reference.h"
#include "kernels/reference/scalar.h"

// y = x·Wᵀ of BF16 operands, 16 columns at a time.
namespace linnet::kernels::reference {
namespace {

constexpr std::int64_t kColumns = 16;

std::int64_t least(std::int64_t a, std::int64_t b) { return a < b ? a : b; }
std::int64_t round_up_16(std::int64_t n) { return (n + 15) / 16 * 16; }

/// Sums of one row and 16 columns of a panel of `pitch`, whose weights begin at w.
void sums(float (&acc)[kColumns], const std::uint16_t* x, const std::uint16_t* w,
          std::int64_t pitch, std::int64_t K) {
  for (float& sum : acc) sum = 0;
  for (std::int64_t k = 0; k < K; ++k) {
    const std::uint16_t* row = w + k / 2 * pitch * 2 + k % 2;
    const float value = from_bf16(x[k]);
    for (std::int64_t j = 0; j < kColumns; ++j) {
      acc[j] = Scalar::fma(value, from_bf16(row[j * 2]), acc[j]);
    }
  }
}

void finish(const GemmBf16Args& a, std::int64_t m, std::int64_t n, std::int64_t width,
            float (&y)[kColumns]) {
  if (a.bias != nullptr) {
    for (std::int64_t j = 0; j < width; ++j) y[j] += a.bias[n + j];
  }
  activate_f32(y, y, width, a.activation);
  for (std::int64_t j = 0; j < width; ++j) {
    if (a.residual != nullptr) y[j] = a.residual[m * a.ld_residual + n + j] + y[j];
    a.y[m * a.ldy + n + j] = y[j];
  }
}

}  // namespace

void pack_bf16(std::uint16_t* packed, const float* w, std::int64_t stride_n, std::int64_t stride_k,
               std::int64_t K, std::int64_t n_begin, std::int64_t n_end) noexcept {
  for (std::int64_t n = n_begin; n < n_end; n += kPanelBf16) {
    const std::int64_t width = least(n_end - n, kPanelBf16), pitch = round_up_16(width);
    std::uint16_t* panel = packed + n * padded_k_bf16(K);
    for (std::int64_t k = 0; k < padded_k_bf16(K); ++k) {
      std::uint16_t* to = panel + k / 2 * pitch * 2 + k % 2;
      for (std::int64_t c = 0; c < pitch; ++c) {
        const bool present = c < width && k < K;
        to[c * 2] = present ? to_bf16(w[(n + c) * stride_n + k * stride_k]) : std::uint16_t{0};
      }
    }
  }
}

void gemm_bf16(const GemmBf16Args& a) noexcept {
  for (std::int64_t n = a.n_begin; n < a.n_end; n += kPanelBf16) {
    const std::int64_t width = least(a.n_end - n, kPanelBf16), pitch = round_up_16(width);
    const std::uint16_t* panel = a.w + n * padded_k_bf16(a.K);
    for (std::int64_t m = 0; m < a.M; ++m) {
      for (std::int64_t c = 0; c < width; c += kColumns) {
        float acc[kColumns];
        sums(acc, a.x + m * a.ldx, panel + c * 2, pitch, a.K);
        finish(a, m, n + c, least(width - c, kColumns), acc);
      }
    }
  }
}

}  // namespace linnet::kernels::reference
