#include "kernels/avx2/avx2.h"
#include "kernels/avx2/lanes.h"
#include "kernels/backward.h"

namespace linnet::kernels::avx2 {

void softmax_bwd_f32(const SoftmaxBwdF32Args& args) noexcept { softmax_bwd_rows<Lanes>(args); }

}  // namespace linnet::kernels::avx2
