#include "kernels/backward.h"
#include "kernels/reference/lanes.h"
#include "kernels/reference/reference.h"

namespace linnet::kernels::reference {

void layer_norm_bwd_f32(const LayerNormBwdF32Args& args) noexcept {
  layer_norm_bwd_rows<Lanes>(args);
}

}  // namespace linnet::kernels::reference
