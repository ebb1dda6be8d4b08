#include "kernels/avx2/gemm_s8.h"

#include "kernels/avx_vnni/avx_vnni.h"

namespace linnet::kernels::avx_vnni {
namespace {

struct VnniDot {
  static constexpr int kRows = 6;
  static constexpr int kShift = kGemmS8Shift;
  using Row = __m256i;
  using Column = __m256i;
  static Row row(const std::uint8_t* p) {
    std::int32_t four;
    __builtin_memcpy(&four, p, 4);
    return _mm256_set1_epi32(four);
  }
  static Column column(const std::int8_t* p) { return avx2::load_bytes(p); }
  static __m256i add(__m256i acc, Row x, Column w) { return _mm256_dpbusd_avx_epi32(acc, x, w); }
};

}  // namespace

void gemm_s8(const GemmS8Args& a) noexcept { avx2::gemm_s8_of<VnniDot>(a); }

}  // namespace linnet::kernels::avx_vnni
