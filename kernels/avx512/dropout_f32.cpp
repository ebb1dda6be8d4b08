#include <immintrin.h>

#include "kernels/avx512/avx512.h"
#include "kernels/philox.h"

namespace linnet::kernels::avx512 {
namespace {

struct Lanes {
  using Vector = __m512i;
  static constexpr std::int64_t kElements = 64;

  /// Number i of 128-bit lane l is counter 4·i + l: once the words are transposed within the lanes
  /// they stand in the order of the elements.
  static Vector counters(std::uint32_t first) {
    const Vector order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return _mm512_add_epi32(all(first), order);
  }
  static Vector all(std::uint32_t word) { return _mm512_set1_epi32(static_cast<int>(word)); }

  /// The upper and the lower halves of x times a constant: numbers with even and with odd places
  /// are multiplied apart.
  static void multiply(Vector x, std::uint32_t factor, Vector& high, Vector& low) {
    const Vector even = _mm512_mul_epu32(x, all(factor));
    const Vector odd = _mm512_mul_epu32(_mm512_srli_epi64(x, 32), all(factor));
    high = _mm512_mask_blend_epi32(0xAAAA, _mm512_srli_epi64(even, 32), odd);
    low = _mm512_mask_blend_epi32(0xAAAA, even, _mm512_slli_epi64(odd, 32));
  }
  static void round(Vector (&w)[4], std::uint32_t k0, std::uint32_t k1) {
    constexpr int kXor3 = 0x96;
    Vector p_high, p_low, q_high, q_low;
    multiply(w[0], kPhilox0, p_high, p_low);
    multiply(w[2], kPhilox1, q_high, q_low);
    w[0] = _mm512_ternarylogic_epi32(q_high, w[1], all(k0), kXor3);
    w[1] = q_low;
    w[2] = _mm512_ternarylogic_epi32(p_high, w[3], all(k1), kXor3);
    w[3] = p_low;
  }
  static void put(float* factor, const Vector (&w)[4], const DropoutF32Args& a) {
    const Vector low01 = _mm512_unpacklo_epi32(w[0], w[1]),
                 low23 = _mm512_unpacklo_epi32(w[2], w[3]);
    const Vector high01 = _mm512_unpackhi_epi32(w[0], w[1]),
                 high23 = _mm512_unpackhi_epi32(w[2], w[3]);
    const Vector words[4] = {
        _mm512_unpacklo_epi64(low01, low23), _mm512_unpackhi_epi64(low01, low23),
        _mm512_unpacklo_epi64(high01, high23), _mm512_unpackhi_epi64(high01, high23)};
    for (int i = 0; i < 4; ++i) {
      const __mmask16 kept =
          _mm512_cmpge_epu32_mask(_mm512_srli_epi32(words[i], 8), all(a.threshold));
      _mm512_store_ps(factor + 16 * i, _mm512_maskz_mov_ps(kept, _mm512_set1_ps(a.scale)));
    }
  }
};

}  // namespace

void dropout_f32(const DropoutF32Args& args) noexcept { dropout<Lanes>(args); }

}  // namespace linnet::kernels::avx512
