#pragma once

#include "kernels/avx512/vec.h"

namespace linnet::kernels::avx512 {
namespace {

/// BF16 numbers in the lower halves, 0 in the upper ones: as reference/bf16.h rounds.
inline __m512i to_bf16(__m512 x) {
  const __m512i bits = _mm512_castps_si512(x), upper = _mm512_srli_epi32(bits, 16);
  const __m512i odd = _mm512_and_si512(upper, _mm512_set1_epi32(1));
  const __m512i bias = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF));
  __m512i y = _mm512_srli_epi32(_mm512_add_epi32(bits, bias), 16);
  const __mmask16 nan = _mm512_fpclass_ps_mask(x, 0x81), tiny = _mm512_fpclass_ps_mask(x, 0x20);
  y = _mm512_mask_or_epi32(y, nan, upper, _mm512_set1_epi32(0x40));
  return _mm512_mask_and_epi32(y, tiny, upper, _mm512_set1_epi32(0x8000));
}

}  // namespace
}  // namespace linnet::kernels::avx512
