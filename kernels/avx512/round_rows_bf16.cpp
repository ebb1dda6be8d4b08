#include "kernels/avx512/avx512.h"
#include "kernels/avx512/bf16.h"

namespace linnet::kernels::avx512 {

void round_rows_bf16(std::uint16_t* y, std::int64_t ldy, const float* x, std::int64_t ldx,
                     std::int64_t M, std::int64_t K) noexcept {
  for (std::int64_t m = 0; m < M; ++m) {
    const float* from = x + m * ldx;
    std::uint16_t* to = y + m * ldy;
    for (std::int64_t k = 0; k < padded_k_bf16(K); k += 16) {
      const __mmask16 mask = first(K - k < 0 ? 0 : K - k);
      const __m512i rounded = to_bf16(_mm512_maskz_loadu_ps(mask, from + k));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + k), _mm512_cvtepi32_epi16(rounded));
    }
  }
}

}  // namespace linnet::kernels::avx512
