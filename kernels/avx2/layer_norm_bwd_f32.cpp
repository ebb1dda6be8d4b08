#include "kernels/avx2/avx2.h"
#include "kernels/avx2/lanes.h"
#include "kernels/backward.h"

namespace linnet::kernels::avx2 {

void layer_norm_bwd_f32(const LayerNormBwdF32Args& args) noexcept {
  layer_norm_bwd_rows<Lanes>(args);
}

}  // namespace linnet::kernels::avx2
