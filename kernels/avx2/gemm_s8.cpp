#include "kernels/avx2/gemm_s8.h"

#include "kernels/avx2/avx2.h"

// Without VNNI: |a| · (b with the sign of a) as unsigned by signed bytes. A pair of products is at
// most 2·127² = 32258, so the 16-bit sums of vpmaddubsw never saturate.
namespace linnet::kernels::avx2 {
namespace {

inline __m256i four_bytes(const std::uint8_t* p) {
  std::int32_t four;
  __builtin_memcpy(&four, p, 4);
  return _mm256_set1_epi32(four);
}

/// A vector of bytes and their magnitudes.
struct Signed {
  __m256i bytes, magnitude;
};
inline Signed with_magnitude(__m256i bytes) { return {bytes, _mm256_abs_epi8(bytes)}; }

inline __m256i add_products(__m256i acc, Signed a, __m256i b) {
  const __m256i pairs = _mm256_maddubs_epi16(a.magnitude, _mm256_sign_epi8(b, a.bytes));
  return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

/// For many rows: the magnitudes of the weights serve all of them.
struct SignDot {
  static constexpr int kRows = 4;
  static constexpr int kShift = 0;
  using Row = __m256i;
  using Column = Signed;
  static Row row(const std::uint8_t* p) { return four_bytes(p); }
  static Column column(const std::int8_t* p) { return with_magnitude(load_bytes(p)); }
  static __m256i add(__m256i acc, Row x, Column w) { return add_products(acc, w, x); }
};

/// For one or two rows: their own.
struct FewRowsSignDot {
  static constexpr int kShift = 0;
  using Row = Signed;
  using Column = __m256i;
  static Row row(const std::uint8_t* p) { return with_magnitude(four_bytes(p)); }
  static Column column(const std::int8_t* p) { return load_bytes(p); }
  static __m256i add(__m256i acc, Row x, Column w) { return add_products(acc, x, w); }
};

}  // namespace

void gemm_s8(const GemmS8Args& a) noexcept { gemm_s8_of<SignDot, FewRowsSignDot>(a); }

}  // namespace linnet::kernels::avx2
