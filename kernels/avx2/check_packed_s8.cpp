#include <immintrin.h>

#include "kernels/avx2/avx2.h"

namespace linnet::kernels::avx2 {

bool check_packed_s8(const std::int8_t* packed, std::int64_t K, std::int64_t n_begin,
                     std::int64_t n_end) noexcept {
  const __m256i ones8 = _mm256_set1_epi8(1), ones16 = _mm256_set1_epi16(1);
  const __m256i least = _mm256_set1_epi8(-128);
  __m256i bad = _mm256_setzero_si256();
  for (std::int64_t n = n_begin; n < n_end; n += kPanelS8) {
    const std::int64_t width = n_end - n < kPanelS8 ? n_end - n : kPanelS8;
    const std::int64_t pitch = (width + 15) / 16 * 16;
    const std::int8_t* panel = packed + n * column_bytes_s8(K);
    // All columns at once: the panel is one stream from the memory.
    __m256i sum[kPanelS8 / 8];
    for (__m256i& s : sum) s = _mm256_setzero_si256();
    const std::int8_t* row = panel + pitch * 4;
    for (std::int64_t i = 0; i < padded_k(K); i += 4, row += pitch * 4) {
      for (std::int64_t c = 0; c < pitch; c += 8) {
        const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(row + c * 4));
        bad = _mm256_or_si256(bad, _mm256_cmpeq_epi8(v, least));
        const __m256i four = _mm256_madd_epi16(_mm256_maddubs_epi16(ones8, v), ones16);
        sum[c / 8] = _mm256_add_epi32(sum[c / 8], four);
      }
    }
    for (std::int64_t c = 0; c < pitch; c += 8) {
      const __m256i stored = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(panel + c * 4));
      const __m256i expected = _mm256_mullo_epi32(sum[c / 8], _mm256_set1_epi32(-128));
      bad = _mm256_or_si256(bad, _mm256_xor_si256(stored, expected));
    }
  }
  return _mm256_testz_si256(bad, bad) != 0;
}

}  // namespace linnet::kernels::avx2
