#include "kernels/backward.h"
#include "kernels/reference/lanes.h"
#include "kernels/reference/reference.h"

namespace linnet::kernels::reference {

void sgd_f32(const SgdF32Args& args) noexcept { sgd_step<Lanes>(args); }

}  // namespace linnet::kernels::reference
