#include "kernels/avx512/attention_s8.h"

#include "kernels/avx512_vnni/avx512_vnni.h"

namespace linnet::kernels::avx512_vnni {
namespace {

struct ByteDot {
  using Element = std::uint8_t;
  static constexpr int kPer = 4, kShift = 128;
  static __m512i add(__m512i acc, __m512i row, __m512i column) {
    return _mm512_dpbusd_epi32(acc, row, column);
  }
  static void store(Element* p, __m512i t) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(t));
  }
  static __m512i group(const __m512i (&t)[kPer]) {
    const __m512i low =
        _mm512_mask_blend_epi8(0xAAAAAAAAAAAAAAAA, t[0], _mm512_slli_epi32(t[1], 8));
    const __m512i high =
        _mm512_mask_blend_epi8(0xAAAAAAAAAAAAAAAA, t[2], _mm512_slli_epi32(t[3], 8));
    return _mm512_mask_blend_epi16(0xAAAAAAAA, low, _mm512_slli_epi32(high, 16));
  }
};

}  // namespace

std::int64_t attention_s8_scratch_floats(std::int64_t keys, std::int64_t head_width) noexcept {
  return avx512::HeadS8<ByteDot>(nullptr, keys, head_width).floats;
}

void attention_s8(const AttentionS8Args& args) noexcept { avx512::attention_s8_of<ByteDot>(args); }

}  // namespace linnet::kernels::avx512_vnni
