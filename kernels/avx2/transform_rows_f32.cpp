#include "kernels/avx2/avx2.h"
#include "kernels/avx2/transform.h"

namespace linnet::kernels::avx2 {

void transform_rows_f32(const TransformRowsF32Args& a) noexcept {
  for (std::int64_t m = 0; m < a.M; ++m) {
    transform_row(a.y + m * a.ldy, a.x + m * a.ldx, a.K, a.transform);
  }
}

}  // namespace linnet::kernels::avx2
