#include "kernels/avx512/gemm_bf16.h"

#include "kernels/avx512_bf16/avx512_bf16.h"

namespace linnet::kernels::avx512_bf16 {
namespace {

struct Pairs {
  static constexpr int kRows = 8;  // x 3 sums = 24 of 32 registers
  static __m512 add(__m512 sum, __m512i x, __m512i w) {
    return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(x), reinterpret_cast<__m512bh>(w));
  }
};

}  // namespace

void gemm_bf16(const GemmBf16Args& args) noexcept { avx512::gemm_bf16_of<Pairs>(args); }

}  // namespace linnet::kernels::avx512_bf16
