#include "kernels/fused.h"
#include "kernels/reference/reference.h"

namespace linnet::kernels::reference {

void layer_norm_s8(const LayerNormS8Args& args) noexcept {
  layer_norm_s8_of<layer_norm_f32, quantize_rows_s8>(args);
}

}  // namespace linnet::kernels::reference
