#include "kernels/avx512/avx512.h"
#include "kernels/avx512/vec.h"

namespace linnet::kernels::avx512 {
namespace {

/// As reference/bf16.h rounds.
inline __m256i to_bf16(__m512 x) {
  const __m512i bits = _mm512_castps_si512(x), upper = _mm512_srli_epi32(bits, 16);
  const __m512i odd = _mm512_and_si512(upper, _mm512_set1_epi32(1));
  const __m512i bias = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF));
  __m512i y = _mm512_srli_epi32(_mm512_add_epi32(bits, bias), 16);
  const __mmask16 nan = _mm512_fpclass_ps_mask(x, 0x81), tiny = _mm512_fpclass_ps_mask(x, 0x20);
  y = _mm512_mask_or_epi32(y, nan, upper, _mm512_set1_epi32(0x40));
  y = _mm512_mask_and_epi32(y, tiny, upper, _mm512_set1_epi32(0x8000));
  return _mm512_cvtepi32_epi16(y);
}

}  // namespace

void round_rows_bf16(std::uint16_t* y, std::int64_t ldy, const float* x, std::int64_t ldx,
                     std::int64_t M, std::int64_t K) noexcept {
  for (std::int64_t m = 0; m < M; ++m) {
    const float* from = x + m * ldx;
    std::uint16_t* to = y + m * ldy;
    for (std::int64_t k = 0; k < padded_k_bf16(K); k += 16) {
      const __mmask16 mask = first(K - k < 0 ? 0 : K - k);
      const __m256i rounded = to_bf16(_mm512_maskz_loadu_ps(mask, from + k));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + k), rounded);
    }
  }
}

}  // namespace linnet::kernels::avx512
