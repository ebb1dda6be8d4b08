#include "kernels/avx512/avx512.h"
#include "kernels/avx512/lanes.h"
#include "kernels/backward.h"

namespace linnet::kernels::avx512 {

void sum_columns_f32(const SumColumnsF32Args& args) noexcept { sum_columns<Lanes>(args); }

}  // namespace linnet::kernels::avx512
