#include "kernels/reference/reference.h"
#include "kernels/reference/scalar.h"
#include "kernels/reference/transform.h"

namespace linnet::kernels::reference {

void quantize_rows_s8(const QuantizeRowsS8Args& a) noexcept {
  const std::int64_t K = a.transform.any() ? padded_k(a.K) : a.K;
  for (std::int64_t m = 0; m < a.M; ++m) {
    const float* x = a.x + m * a.ldx;
    if (a.activation != Activation::kNone) {
      activate_f32(a.scratch, x, a.K, a.activation);
      x = a.scratch;
    }
    if (a.transform.any()) {
      transform_row(a.scratch, x, a.K, a.transform);
      x = a.scratch;
    }
    std::uint8_t* q = a.q + m * a.ldq;
    const std::uint32_t bits = greatest(x, K);
    const RowScale s = row_scale(__builtin_bit_cast(float, bits));
    a.scale[m] = s.scale;
    for (std::int64_t k = 0; k < K; ++k) {
      const float rounded = quantized<Scalar>(x[k], s.inverse) - kRoundingMagic;
      q[k] = static_cast<std::uint8_t>(static_cast<int>(rounded) + a.shift);
    }
    for (std::int64_t k = K; k < padded_k(K); ++k) q[k] = a.shift;
  }
}

}  // namespace linnet::kernels::reference
