#include "kernels/avx2/avx2.h"
#include "kernels/avx2/lanes.h"
#include "kernels/backward.h"

namespace linnet::kernels::avx2 {

void sgd_f32(const SgdF32Args& args) noexcept { sgd_step<Lanes>(args); }

}  // namespace linnet::kernels::avx2
