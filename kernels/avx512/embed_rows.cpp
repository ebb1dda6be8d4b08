#include "kernels/avx512/avx512.h"
#include "kernels/avx512/vec.h"

namespace linnet::kernels::avx512 {

void embed_rows(const EmbedRowsArgs& a) noexcept {
  for (std::int64_t m = 0; m < a.M; ++m) {
    float* y = a.y + m * a.ldy;
    const std::int64_t word = a.tokens[m] * a.ld_word;
    const float* type = a.type;
    if (type != nullptr && a.types != nullptr) type += a.types[m] * a.ld_type;
    const float* position = a.position + a.positions[m] * a.ld_position;
    const auto put = [=](std::int64_t d, __mmask16 mask, __m512 x) {
      if (type != nullptr) x = x + _mm512_maskz_loadu_ps(mask, type + d);
      _mm512_mask_storeu_ps(y + d, mask, x + _mm512_maskz_loadu_ps(mask, position + d));
    };
    if (a.word != nullptr) {
      const float* row = a.word + word;
      for_each_16(a.D, [=](std::int64_t d, __mmask16 mask) {
        put(d, mask, _mm512_maskz_loadu_ps(mask, row + d));
      });
    } else {
      const std::int8_t* row = a.word_s8 + word;
      const __m512 scale = _mm512_set1_ps(a.word_scale[a.tokens[m]]);
      for_each_16(a.D, [=](std::int64_t d, __mmask16 mask) {
        const __m512i q = _mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(mask, row + d));
        put(d, mask, _mm512_cvtepi32_ps(q) * scale);
      });
    }
  }
}

}  // namespace linnet::kernels::avx512
