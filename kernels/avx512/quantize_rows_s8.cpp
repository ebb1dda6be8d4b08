#include "kernels/avx512/avx512.h"
#include "kernels/avx512/transform.h"
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

/// The 16 numbers nearest to x·inverse, for the lanes of mask, 0 in the others. Only the row of an
/// infinity or a NaN can leave -127 .. 127.
template <bool finite>
__m512i numbers(const float* x, __mmask16 mask, __m512 inverse) {
  const __m512 v = _mm512_maskz_loadu_ps(mask, x);
  if constexpr (finite) return _mm512_cvtps_epi32(v * inverse);
  const __m512i magic = _mm512_castps_si512(Vec::splat(kRoundingMagic));
  return _mm512_sub_epi32(_mm512_castps_si512(quantized<Vec>(v, inverse)), magic);
}

/// One row, 64 bytes at a time: packing interleaves the 128-bit lanes of its operands.
template <bool finite>
void quantize_row(std::uint8_t* q, const float* x, std::int64_t K, float inverse, __m512i shift) {
  const __m512 factor = _mm512_set1_ps(inverse);
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  for (std::int64_t k = 0; k < padded_k(K); k += 64) {
    __m512i n[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const std::int64_t left = K - k - 16 * i;
      n[i] = numbers<finite>(x + k + 16 * i, left > 0 ? first(left) : __mmask16{0}, factor);
    }
    const __m512i low = _mm512_packs_epi32(n[0], n[1]), high = _mm512_packs_epi32(n[2], n[3]);
    const __m512i bytes = _mm512_permutexvar_epi32(order, _mm512_packs_epi16(low, high));
    _mm512_storeu_si512(q + k, _mm512_add_epi8(bytes, shift));
  }
}

}  // namespace

void quantize_rows_s8(const QuantizeRowsS8Args& a) noexcept {
  const __m512i shift = _mm512_set1_epi8(static_cast<char>(a.shift));
  const std::int64_t K = a.transform.any() ? padded_k(a.K) : a.K;
  for (std::int64_t m = 0; m < a.M; ++m) {
    const float* x = a.x + m * a.ldx;
    if (a.transform.any()) {
      transform_row(a.scratch, x, a.K, a.transform);
      x = a.scratch;
    }
    std::uint8_t* q = a.q + m * a.ldq;
    const float amax = __builtin_bit_cast(float, greatest(x, K));
    const RowScale s = row_scale(amax);
    a.scale[m] = s.scale;
    if (amax < __builtin_inff()) {
      quantize_row<true>(q, x, K, s.inverse, shift);
    } else {
      quantize_row<false>(q, x, K, s.inverse, shift);
    }
  }
}

}  // namespace linnet::kernels::avx512
