#include "kernels/avx2/attention_s8.h"

#include "kernels/avx2/avx2.h"

// Without VNNI: 16-bit words, whose products vpmaddwd adds in pairs of 32 bits. Bytes would
// saturate: 2·255·127 is beyond 16 bits.
namespace linnet::kernels::avx2 {
namespace {

struct WordDot {
  using Element = std::int16_t;
  static constexpr int kPer = 2, kShift = 0;
  static __m256i add(__m256i acc, __m256i row, __m256i column) {
    return _mm256_add_epi32(acc, _mm256_madd_epi16(row, column));
  }
  static void store(Element* p, __m256i t) {
    const __m256i pick = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, -1, -1, -1, -1, -1, -1, -1, -1));
    const __m256i words = _mm256_permute4x64_epi64(_mm256_shuffle_epi8(t, pick), 0x08);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_castsi256_si128(words));
  }
  static __m256i group(const __m256i (&t)[kPer]) {
    return _mm256_blend_epi16(t[0], _mm256_slli_epi32(t[1], 16), 0xAA);
  }
};

}  // namespace

std::int64_t attention_s8_scratch_floats(std::int64_t keys, std::int64_t head_width) noexcept {
  return HeadS8<WordDot>(nullptr, keys, head_width).floats;
}

void attention_s8(const AttentionS8Args& args) noexcept { attention_s8_of<WordDot>(args); }

}  // namespace linnet::kernels::avx2
