#include "kernels/avx2/avx2.h"
#include "kernels/avx2/lanes.h"
#include "kernels/backward.h"

namespace linnet::kernels::avx2 {

void sum_columns_f32(const SumColumnsF32Args& args) noexcept { sum_columns<Lanes>(args); }

}  // namespace linnet::kernels::avx2
