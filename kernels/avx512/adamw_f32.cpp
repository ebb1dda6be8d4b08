#include "kernels/avx512/avx512.h"
#include "kernels/avx512/lanes.h"
#include "kernels/backward.h"

namespace linnet::kernels::avx512 {

void adamw_f32(const AdamwF32Args& args) noexcept { adamw_step<Lanes>(args); }

}  // namespace linnet::kernels::avx512
