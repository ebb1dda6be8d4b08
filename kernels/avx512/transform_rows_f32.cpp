#include "kernels/avx512/avx512.h"
#include "kernels/avx512/transform.h"

namespace linnet::kernels::avx512 {

void transform_rows_f32(const TransformRowsF32Args& a) noexcept {
  for (std::int64_t m = 0; m < a.M; ++m) {
    transform_row(a.y + m * a.ldy, a.x + m * a.ldx, a.K, a.transform);
  }
}

}  // namespace linnet::kernels::avx512
