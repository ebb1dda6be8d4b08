#include "kernels/reference/reference.h"
#include "kernels/reference/scalar.h"

// y = x·Wᵀ with panels of 16 columns: 16 chains side by side for each row.
namespace linnet::kernels::reference {
namespace {

constexpr std::int64_t kPanel = 16;

std::int64_t panel_width(std::int64_t n, std::int64_t n_end) {
  return n_end - n < kPanel ? n_end - n : kPanel;
}

}  // namespace

std::int64_t gemm_f32_packed_floats(std::int64_t N, std::int64_t K) noexcept {
  return (N + kPanel - 1) / kPanel * kPanel * K;
}

void gemm_f32_pack(float* packed, const float* w, std::int64_t stride_n, std::int64_t stride_k,
                   std::int64_t N, std::int64_t K, std::int64_t n_begin,
                   std::int64_t n_end) noexcept {
  static_cast<void>(N);  // the panels before n_begin are full: only the last one can be ragged
  for (std::int64_t n = n_begin; n < n_end; n += kPanel) {
    const std::int64_t width = panel_width(n, n_end);
    float* panel = packed + n * K;
    for (std::int64_t k = 0; k < K; ++k) {
      for (std::int64_t j = 0; j < kPanel; ++j) {
        panel[k * kPanel + j] = j < width ? w[(n + j) * stride_n + k * stride_k] : 0.0f;
      }
    }
  }
}

void gemm_f32(const GemmF32Args& a) noexcept {
  for (std::int64_t n = a.n_begin; n < a.n_end; n += kPanel) {
    const std::int64_t width = panel_width(n, a.n_end);
    const float* panel = a.w + n * a.K;
    for (std::int64_t m = 0; m < a.M; ++m) {
      float acc[kPanel] = {};
      for (std::int64_t k = 0; k < a.K; ++k) {
        for (std::int64_t j = 0; j < kPanel; ++j) {
          acc[j] = Scalar::fma(a.x[m * a.ldx + k], panel[k * kPanel + j], acc[j]);
        }
      }
      if (a.bias != nullptr) {
        for (std::int64_t j = 0; j < width; ++j) acc[j] += a.bias[n + j];
      }
      activate_f32(acc, acc, width, a.activation);
      if (a.residual != nullptr) {
        for (std::int64_t j = 0; j < width; ++j) {
          acc[j] = a.residual[m * a.ld_residual + n + j] + acc[j];
        }
      }
      for (std::int64_t j = 0; j < width; ++j) a.y[m * a.ldy + n + j] = acc[j];
    }
  }
}

}  // namespace linnet::kernels::reference
