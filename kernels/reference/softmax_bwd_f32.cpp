#include "kernels/backward.h"
#include "kernels/reference/lanes.h"
#include "kernels/reference/reference.h"

namespace linnet::kernels::reference {

void softmax_bwd_f32(const SoftmaxBwdF32Args& args) noexcept { softmax_bwd_rows<Lanes>(args); }

}  // namespace linnet::kernels::reference
