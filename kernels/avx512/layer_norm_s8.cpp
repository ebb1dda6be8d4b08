#include "kernels/avx512/avx512.h"
#include "kernels/fused.h"

namespace linnet::kernels::avx512 {

void layer_norm_s8(const LayerNormS8Args& args) noexcept {
  layer_norm_s8_of<layer_norm_f32, quantize_rows_s8>(args);
}

}  // namespace linnet::kernels::avx512
