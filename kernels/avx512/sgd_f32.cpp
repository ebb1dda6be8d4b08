#include "kernels/avx512/avx512.h"
#include "kernels/avx512/lanes.h"
#include "kernels/backward.h"

namespace linnet::kernels::avx512 {

void sgd_f32(const SgdF32Args& args) noexcept { sgd_step<Lanes>(args); }

}  // namespace linnet::kernels::avx512
