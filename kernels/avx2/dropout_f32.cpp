#include "kernels/avx2/avx2.h"
#include "kernels/philox.h"

namespace linnet::kernels::avx2 {

void dropout_f32(const DropoutF32Args& args) noexcept { dropout(args); }

}  // namespace linnet::kernels::avx2
