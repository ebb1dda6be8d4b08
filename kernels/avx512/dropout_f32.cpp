#include "kernels/avx512/avx512.h"
#include "kernels/philox.h"

namespace linnet::kernels::avx512 {

void dropout_f32(const DropoutF32Args& args) noexcept { dropout(args); }

}  // namespace linnet::kernels::avx512
