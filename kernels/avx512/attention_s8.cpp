#include "kernels/avx512/attention_s8.h"

#include "kernels/avx512/avx512.h"

// Without VNNI: 16-bit words, whose products vpmaddwd adds in pairs of 32 bits.
namespace linnet::kernels::avx512 {
namespace {

struct WordDot {
  using Element = std::int16_t;
  static constexpr int kPer = 2, kShift = 0;
  static __m512i add(__m512i acc, __m512i row, __m512i column) {
    return _mm512_add_epi32(acc, _mm512_madd_epi16(row, column));
  }
  static void store(Element* p, __m512i t) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(t));
  }
  static __m512i group(const __m512i (&t)[kPer]) {
    return _mm512_mask_blend_epi16(0xAAAAAAAA, t[0], _mm512_slli_epi32(t[1], 16));
  }
};

}  // namespace

std::int64_t attention_s8_scratch_floats(std::int64_t keys, std::int64_t head_width) noexcept {
  return HeadS8<WordDot>(nullptr, keys, head_width).floats;
}

void attention_s8(const AttentionS8Args& args) noexcept { attention_s8_of<WordDot>(args); }

}  // namespace linnet::kernels::avx512
