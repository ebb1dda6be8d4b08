#include "kernels/avx2/avx2.h"
#include "kernels/avx2/greatest.h"
#include "kernels/avx2/transform.h"

namespace linnet::kernels::avx2 {
namespace {

/// The low bytes of 8 integers.
__m128i low_bytes(__m256i x) {
  const __m256i pick = _mm256_set1_epi32(0x0C080400);
  const __m256i four = _mm256_shuffle_epi8(x, pick);
  return _mm_unpacklo_epi32(_mm256_castsi256_si128(four), _mm256_extracti128_si256(four, 1));
}

}  // namespace

void quantize_rows_s8(const QuantizeRowsS8Args& a) noexcept {
  const __m256i shift = _mm256_set1_epi32(a.shift);
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
    const __m256 inverse = _mm256_set1_ps(s.inverse);
    // An absent element is read as 0: its q is 0 too.
    const auto put = [&](std::int64_t k, auto, auto lanes) {
      const __m256i t = _mm256_castps_si256(quantized<Vec>(load(x + k, lanes), inverse));
      const __m128i bytes = low_bytes(_mm256_add_epi32(t, shift));
      _mm_storel_epi64(reinterpret_cast<__m128i*>(q + k), bytes);
    };
    for_each_8(K, put);
    for (std::int64_t k = (K + 7) / 8 * 8; k < padded_k(K); k += 8) put(k, Half<0>{}, first(0));
  }
}

}  // namespace linnet::kernels::avx2
