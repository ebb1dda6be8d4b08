#include "kernels/avx2/avx2.h"
#include "kernels/avx2/lanes.h"
#include "kernels/backward.h"

namespace linnet::kernels::avx2 {

void adamw_f32(const AdamwF32Args& args) noexcept { adamw_step<Lanes>(args); }

}  // namespace linnet::kernels::avx2
