#include "kernels/philox.h"
#include "kernels/reference/reference.h"

namespace linnet::kernels::reference {

void dropout_f32(const DropoutF32Args& args) noexcept { dropout(args); }

}  // namespace linnet::kernels::reference
