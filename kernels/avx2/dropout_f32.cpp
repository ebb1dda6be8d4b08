#include <immintrin.h>

#include "kernels/avx2/avx2.h"
#include "kernels/philox.h"

namespace linnet::kernels::avx2 {
namespace {

struct Lanes {
  using Vector = __m256i;
  static constexpr std::int64_t kElements = 32;

  /// Number i of 128-bit lane l is counter 2·i + l: once the words are transposed within the lanes
  /// they stand in the order of the elements.
  static Vector counters(std::uint32_t first) {
    return _mm256_add_epi32(all(first), _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7));
  }
  static Vector all(std::uint32_t word) { return _mm256_set1_epi32(static_cast<int>(word)); }

  /// The upper and the lower halves of x times a constant: numbers with even and with odd places
  /// are multiplied apart.
  static void multiply(Vector x, std::uint32_t factor, Vector& high, Vector& low) {
    const Vector even = _mm256_mul_epu32(x, all(factor));
    const Vector odd = _mm256_mul_epu32(_mm256_srli_epi64(x, 32), all(factor));
    high = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xAA);
    low = _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xAA);
  }
  static void round(Vector (&w)[4], std::uint32_t k0, std::uint32_t k1) {
    Vector p_high, p_low, q_high, q_low;
    multiply(w[0], kPhilox0, p_high, p_low);
    multiply(w[2], kPhilox1, q_high, q_low);
    w[0] = _mm256_xor_si256(_mm256_xor_si256(q_high, w[1]), all(k0));
    w[1] = q_low;
    w[2] = _mm256_xor_si256(_mm256_xor_si256(p_high, w[3]), all(k1));
    w[3] = p_low;
  }
  static void put(float* factor, const Vector (&w)[4], const DropoutF32Args& a) {
    const Vector low01 = _mm256_unpacklo_epi32(w[0], w[1]),
                 low23 = _mm256_unpacklo_epi32(w[2], w[3]);
    const Vector high01 = _mm256_unpackhi_epi32(w[0], w[1]),
                 high23 = _mm256_unpackhi_epi32(w[2], w[3]);
    const Vector words[4] = {
        _mm256_unpacklo_epi64(low01, low23), _mm256_unpackhi_epi64(low01, low23),
        _mm256_unpacklo_epi64(high01, high23), _mm256_unpackhi_epi64(high01, high23)};
    for (int i = 0; i < 4; ++i) {
      // 24 bits: comparing them with their signs is right.
      const Vector dropped = _mm256_cmpgt_epi32(all(a.threshold), _mm256_srli_epi32(words[i], 8));
      _mm256_store_ps(factor + 8 * i,
                      _mm256_andnot_ps(_mm256_castsi256_ps(dropped), _mm256_set1_ps(a.scale)));
    }
  }
};

}  // namespace

void dropout_f32(const DropoutF32Args& args) noexcept { dropout<Lanes>(args); }

}  // namespace linnet::kernels::avx2
