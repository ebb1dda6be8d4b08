#include "kernels/avx512/gemm_bf16.h"

#include "kernels/avx512/avx512.h"

// Without an instruction for pairs the halves are widened to FP32: half the bytes of weights for
// twice the instructions, which pays while weights come from memory.
namespace linnet::kernels::avx512 {
namespace {

inline __m512 lower(__m512i pair) { return _mm512_castsi512_ps(_mm512_slli_epi32(pair, 16)); }
inline __m512 upper(__m512i pair) {
  return _mm512_castsi512_ps(_mm512_and_si512(pair, _mm512_set1_epi32(-65536)));
}

struct Widened {
  static constexpr int kRows = 6;  // x 3 sums, 6 halves of w, 2 of x and the mask are 27 registers
  static __m512 add(__m512 sum, __m512i x, __m512i w) {
    return _mm512_fmadd_ps(upper(x), upper(w), _mm512_fmadd_ps(lower(x), lower(w), sum));
  }
};

}  // namespace

void gemm_bf16(const GemmBf16Args& args) noexcept { gemm_bf16_of<Widened>(args); }

}  // namespace linnet::kernels::avx512
