#include "kernels/avx2/attention_s8.h"

#include "kernels/avx_vnni/avx_vnni.h"

namespace linnet::kernels::avx_vnni {
namespace {

struct ByteDot {
  using Element = std::uint8_t;
  static constexpr int kPer = 4, kShift = 128;
  static __m256i add(__m256i acc, __m256i row, __m256i column) {
    return _mm256_dpbusd_avx_epi32(acc, row, column);
  }
  static void store(Element* p, __m256i t) {
    const __m256i four = _mm256_shuffle_epi8(t, _mm256_set1_epi32(0x0C080400));
    const __m128i eight =
        _mm_unpacklo_epi32(_mm256_castsi256_si128(four), _mm256_extracti128_si256(four, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), eight);
  }
  static __m256i group(const __m256i (&t)[kPer]) {
    const __m256i odd = _mm256_set1_epi16(INT16_MIN);  // the odd bytes
    const __m256i low = _mm256_blendv_epi8(t[0], _mm256_slli_epi32(t[1], 8), odd);
    const __m256i high = _mm256_blendv_epi8(t[2], _mm256_slli_epi32(t[3], 8), odd);
    return _mm256_blend_epi16(low, _mm256_slli_epi32(high, 16), 0xAA);
  }
};

}  // namespace

std::int64_t attention_s8_scratch_floats(std::int64_t keys, std::int64_t head_width) noexcept {
  return avx2::HeadS8<ByteDot>(nullptr, keys, head_width).floats;
}

void attention_s8(const AttentionS8Args& args) noexcept { avx2::attention_s8_of<ByteDot>(args); }

}  // namespace linnet::kernels::avx_vnni
