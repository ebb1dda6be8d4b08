#include "kernels/backward.h"
#include "kernels/reference/lanes.h"
#include "kernels/reference/reference.h"

namespace linnet::kernels::reference {

void adamw_f32(const AdamwF32Args& args) noexcept { adamw_step<Lanes>(args); }

}  // namespace linnet::kernels::reference
