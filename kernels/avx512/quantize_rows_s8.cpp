#include "kernels/avx512/avx512.h"
#include "kernels/avx512/vec.h"

namespace linnet::kernels::avx512 {
namespace {

/// The greatest |x| by its bits: a NaN is greater than all.
std::uint32_t greatest(const float* x, std::int64_t K) {
  __m512i most[4] = {};
  std::int64_t k = 0;
  for (; k + 64 <= K; k += 64) {
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const __m512 magnitude = _mm512_abs_ps(_mm512_loadu_ps(x + k + 16 * i));
      most[i] = _mm512_max_epu32(most[i], _mm512_castps_si512(magnitude));
    }
  }
  for_each_16(K - k, [&](std::int64_t i, __mmask16 mask) {
    const __m512 magnitude = _mm512_abs_ps(_mm512_maskz_loadu_ps(mask, x + k + i));
    most[0] = _mm512_max_epu32(most[0], _mm512_castps_si512(magnitude));
  });
  return _mm512_reduce_max_epu32(
      _mm512_max_epu32(_mm512_max_epu32(most[0], most[1]), _mm512_max_epu32(most[2], most[3])));
}

}  // namespace

void quantize_rows_s8(const QuantizeRowsS8Args& a) noexcept {
  const __m512i shift = _mm512_set1_epi32(a.shift);
  for (std::int64_t m = 0; m < a.M; ++m) {
    const float* x = a.x + m * a.ldx;
    std::uint8_t* q = a.q + m * a.ldq;
    const std::uint32_t bits = greatest(x, a.K);
    const RowScale s = row_scale(__builtin_bit_cast(float, bits));
    a.scale[m] = s.scale;
    const __m512 inverse = _mm512_set1_ps(s.inverse);
    const auto bytes_of_16 = [&](std::int64_t k, __mmask16 mask) {
      const __m512 t = quantized<Vec>(_mm512_maskz_loadu_ps(mask, x + k), inverse);
      return _mm512_cvtepi32_epi8(_mm512_add_epi32(_mm512_castps_si512(t), shift));
    };
    // An absent element is read as 0: its q is 0 too.
    std::int64_t k = 0;
    for (; k + 16 <= padded_k(a.K); k += 16) {
      const __mmask16 mask = first(a.K - k < 0 ? 0 : a.K - k);
      _mm_storeu_si128(reinterpret_cast<__m128i*>(q + k), bytes_of_16(k, mask));
    }
  }
}

}  // namespace linnet::kernels::avx512
