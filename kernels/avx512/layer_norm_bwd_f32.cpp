#include "kernels/avx512/avx512.h"
#include "kernels/avx512/lanes.h"
#include "kernels/backward.h"

namespace linnet::kernels::avx512 {

void layer_norm_bwd_f32(const LayerNormBwdF32Args& args) noexcept {
  layer_norm_bwd_rows<Lanes>(args);
}

}  // namespace linnet::kernels::avx512
