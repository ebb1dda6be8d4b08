#include "kernels/backward.h"
#include "kernels/reference/lanes.h"
#include "kernels/reference/reference.h"

namespace linnet::kernels::reference {

void activate_bwd_f32(float* dx, const float* dy, const float* x, std::int64_t n,
                      Activation activation) noexcept {
  activate_bwd_rows<Lanes>(dx, dy, x, n, activation);
}

}  // namespace linnet::kernels::reference
