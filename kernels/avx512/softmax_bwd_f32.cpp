#include "kernels/avx512/avx512.h"
#include "kernels/avx512/lanes.h"
#include "kernels/backward.h"

namespace linnet::kernels::avx512 {

void softmax_bwd_f32(const SoftmaxBwdF32Args& args) noexcept { softmax_bwd_rows<Lanes>(args); }

}  // namespace linnet::kernels::avx512
