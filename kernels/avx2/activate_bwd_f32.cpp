#include "kernels/avx2/avx2.h"
#include "kernels/avx2/lanes.h"
#include "kernels/backward.h"

namespace linnet::kernels::avx2 {

void activate_bwd_f32(float* dx, const float* dy, const float* x, std::int64_t n,
                      Activation activation) noexcept {
  activate_bwd_rows<Lanes>(dx, dy, x, n, activation);
}

}  // namespace linnet::kernels::avx2
