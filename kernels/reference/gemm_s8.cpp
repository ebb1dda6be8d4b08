#include "kernels/reference/reference.h"
#include "kernels/reference/scalar.h"

// y = x·Wᵀ of INT8 operands, 16 columns at a time.
namespace linnet::kernels::reference {
namespace {

constexpr std::int64_t kColumns = 16;

std::int64_t least(std::int64_t a, std::int64_t b) { return a < b ? a : b; }
std::int64_t round_up_16(std::int64_t n) { return (n + 15) / 16 * 16; }

/// Sums of one row and `width` columns of a panel of `pitch`, whose bytes begin at w.
void sums(std::int32_t (&acc)[kColumns], const std::uint8_t* x, const std::int8_t* w,
          std::int64_t pitch, std::int64_t K) {
  for (std::int32_t& sum : acc) sum = 0;
  for (std::int64_t k = 0; k < K; ++k) {
    const std::int8_t* row = w + k / 4 * pitch * 4 + k % 4;
    const auto q = static_cast<std::int8_t>(x[k]);
    for (std::int64_t j = 0; j < kColumns; ++j) acc[j] += q * row[j * 4];
  }
}

void finish(const GemmS8Args& a, std::int64_t m, std::int64_t n, std::int64_t width,
            const std::int32_t (&acc)[kColumns]) {
  float y[kColumns];
  for (std::int64_t j = 0; j < width; ++j) {
    const float bias = a.bias != nullptr ? a.bias[n + j] : 0.0f;
    y[j] = Scalar::fma(static_cast<float>(acc[j]) * a.x_scale[m], a.w_scale[n + j], bias);
  }
  activate_f32(y, y, width, a.activation);
  for (std::int64_t j = 0; j < width; ++j) {
    if (a.residual != nullptr) y[j] = a.residual[m * a.ld_residual + n + j] + y[j];
    a.y[m * a.ldy + n + j] = y[j];
  }
}

}  // namespace

void pack_s8(std::int8_t* packed, const std::int8_t* w, std::int64_t stride_n,
             std::int64_t stride_k, std::int64_t K, std::int64_t n_begin,
             std::int64_t n_end) noexcept {
  for (std::int64_t n = n_begin; n < n_end; n += kPanelS8) {
    const std::int64_t width = least(n_end - n, kPanelS8), pitch = round_up_16(width);
    std::int8_t* panel = packed + n * column_bytes_s8(K);
    std::int8_t* bytes = panel + pitch * 4;
    for (std::int64_t c = 0; c < pitch; ++c) {
      std::int32_t sum = 0;
      for (std::int64_t k = 0; k < padded_k(K); ++k) {
        const bool present = c < width && k < K;
        const std::int8_t v = present ? w[(n + c) * stride_n + k * stride_k] : std::int8_t{0};
        bytes[(k / 4 * pitch + c) * 4 + k % 4] = v;
        sum += v;
      }
      sum *= -128;
      __builtin_memcpy(panel + c * 4, &sum, 4);
    }
  }
}

void gemm_s8(const GemmS8Args& a) noexcept {
  for (std::int64_t n = a.n_begin; n < a.n_end; n += kPanelS8) {
    const std::int64_t width = least(a.n_end - n, kPanelS8), pitch = round_up_16(width);
    const std::int8_t* bytes = a.w + n * column_bytes_s8(a.K) + pitch * 4;
    for (std::int64_t m = 0; m < a.M; ++m) {
      for (std::int64_t c = 0; c < width; c += kColumns) {
        std::int32_t acc[kColumns];
        sums(acc, a.x + m * a.ldx, bytes + c * 4, pitch, padded_k(a.K));
        finish(a, m, n + c, least(width - c, kColumns), acc);
      }
    }
  }
}

}  // namespace linnet::kernels::reference
