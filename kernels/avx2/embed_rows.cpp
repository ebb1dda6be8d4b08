#include "kernels/avx2/avx2.h"
#include "kernels/avx2/vec.h"

namespace linnet::kernels::avx2 {
namespace {

__m256 from_bytes(const std::int8_t* row) {
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadu_si64(row)));
}

}  // namespace

void embed_rows(const EmbedRowsArgs& a) noexcept {
  for (std::int64_t m = 0; m < a.M; ++m) {
    float* y = a.y + m * a.ldy;
    const std::int64_t word = a.tokens[m] * a.ld_word;
    const float* type = a.type;
    if (type != nullptr && a.types != nullptr) type += a.types[m] * a.ld_type;
    const float* position = a.position + a.positions[m] * a.ld_position;
    const auto put = [=](std::int64_t d, auto lanes, __m256 x) {
      if (type != nullptr) x = x + load(type + d, lanes);
      store(y + d, x + load(position + d, lanes), lanes);
    };
    if (a.word != nullptr) {
      const float* row = a.word + word;
      for_each_8(a.D,
                 [=](std::int64_t d, auto, auto lanes) { put(d, lanes, load(row + d, lanes)); });
    } else {
      const std::int8_t* row = a.word_s8 + word;
      const __m256 scale = _mm256_set1_ps(a.word_scale[a.tokens[m]]);
      const std::int64_t whole = a.D / 8 * 8;
      for (std::int64_t d = 0; d < whole; d += 8) put(d, Full{}, from_bytes(row + d) * scale);
      if (whole < a.D) {
        std::int8_t last[8] = {};
        for (std::int64_t d = whole; d < a.D; ++d) last[d - whole] = row[d];
        put(whole, first(a.D - whole), from_bytes(last) * scale);
      }
    }
  }
}

}  // namespace linnet::kernels::avx2
