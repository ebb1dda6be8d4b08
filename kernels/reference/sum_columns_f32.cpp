#include "kernels/backward.h"
#include "kernels/reference/lanes.h"
#include "kernels/reference/reference.h"

namespace linnet::kernels::reference {

void sum_columns_f32(const SumColumnsF32Args& args) noexcept { sum_columns<Lanes>(args); }

}  // namespace linnet::kernels::reference
