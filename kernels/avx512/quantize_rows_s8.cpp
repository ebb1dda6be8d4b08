#include "kernels/avx512/avx512.h"
#include "kernels/avx512/transform.h"
#include "kernels/avx512/vec.h"

namespace linnet::kernels::avx512 {
namespace {

/// The greatest |f(k, mask)| for every 16 of K elements, by its bits: a NaN is greater than all.
/// The lanes outside the mask are 0.
template <class F>
[[gnu::always_inline]] inline float greatest_of(std::int64_t K, F f) {
  __m512i most[4] = {};
  const auto take = [](__m512i & to, __m512 x) __attribute__((always_inline)) {
    to = _mm512_max_epu32(to, _mm512_castps_si512(_mm512_abs_ps(x)));
  };
  std::int64_t k = 0;
  for (; k + 64 <= K; k += 64) {
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) take(most[i], f(k + 16 * i, __mmask16{0xFFFF}));
  }
  for_each_16(K - k, [&](std::int64_t i, __mmask16 mask) { take(most[0], f(k + i, mask)); });
  const __m512i pair[2] = {_mm512_max_epu32(most[0], most[1]), _mm512_max_epu32(most[2], most[3])};
  return __builtin_bit_cast(float, _mm512_reduce_max_epu32(_mm512_max_epu32(pair[0], pair[1])));
}

float greatest(const float* x, std::int64_t K) {
  return greatest_of(
      K, [=](std::int64_t k, __mmask16 mask) { return _mm512_maskz_loadu_ps(mask, x + k); });
}

/// y = activation(x), and the greatest |y| in the same pass.
float activate_greatest(float* y, const float* x, std::int64_t K, Activation activation) {
  float most = 0;
  with_activation<Vec>(activation, [&](auto f) {
    most = greatest_of(K, [=](std::int64_t k, __mmask16 mask) {
      const __m512 v = _mm512_maskz_mov_ps(mask, f(_mm512_maskz_loadu_ps(mask, x + k)));
      _mm512_mask_storeu_ps(y + k, mask, v);
      return v;
    });
  });
  return most;
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

/// q of 64 elements, of which `present` are there: packing interleaves the 128-bit lanes of its
/// operands.
template <bool finite>
[[gnu::always_inline]] inline __m512i bytes_of(const float* x, std::int64_t present,
                                               __m512 inverse) {
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  __m512i n[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const std::int64_t left = present - 16 * i;
    n[i] = numbers<finite>(x + 16 * i, left > 0 ? first(left) : __mmask16{0}, inverse);
  }
  const __m512i low = _mm512_packs_epi32(n[0], n[1]), high = _mm512_packs_epi32(n[2], n[3]);
  return _mm512_permutexvar_epi32(order, _mm512_packs_epi16(low, high));
}

template <bool finite>
void quantize_row(std::uint8_t* q, const float* x, std::int64_t K, float inverse, __m512i shift) {
  const __m512 factor = _mm512_set1_ps(inverse);
  std::int64_t k = 0;
  for (; k + 64 <= K; k += 64) {
    _mm512_storeu_si512(q + k, _mm512_add_epi8(bytes_of<finite>(x + k, 64, factor), shift));
  }
  if (k < K) {
    _mm512_storeu_si512(q + k, _mm512_add_epi8(bytes_of<finite>(x + k, K - k, factor), shift));
  }
}

}  // namespace

void quantize_rows_s8(const QuantizeRowsS8Args& a) noexcept {
  const __m512i shift = _mm512_set1_epi8(static_cast<char>(a.shift));
  const std::int64_t K = a.transform.any() ? padded_k(a.K) : a.K;
  for (std::int64_t m = 0; m < a.M; ++m) {
    const float* x = a.x + m * a.ldx;
    float amax = 0;
    if (a.activation != Activation::kNone) {
      amax = activate_greatest(a.scratch, x, a.K, a.activation);
      x = a.scratch;
    }
    if (a.transform.any()) {
      transform_row(a.scratch, x, a.K, a.transform);
      x = a.scratch;
    }
    if (a.activation == Activation::kNone || a.transform.any()) amax = greatest(x, K);
    const RowScale s = row_scale(amax);
    a.scale[m] = s.scale;
    std::uint8_t* q = a.q + m * a.ldq;
    if (amax < __builtin_inff()) {
      quantize_row<true>(q, x, K, s.inverse, shift);
    } else {
      quantize_row<false>(q, x, K, s.inverse, shift);
    }
  }
}

}  // namespace linnet::kernels::avx512
