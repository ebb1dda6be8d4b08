// Dimension key: N outputs, K inputs.
#include "engine/models/pack_conv1d.h"

#include <algorithm>
#include <bit>

#include "engine/core/assert.h"
#include "weights/number_formats.h"

namespace linnet {
namespace {

// The tensor as floats: `staged` holds them where the checkpoint does not.
const float* floats_of(Threads& threads, const weights::TensorView& tensor, Block& staged) {
  const bool aligned = std::bit_cast<std::uintptr_t>(tensor.bytes.data()) % alignof(float) == 0;
  if (tensor.dtype == weights::DType::kF32 && aligned) {
    return reinterpret_cast<const float*>(tensor.bytes.data());
  }
  staged = Block(tensor.elements() * static_cast<std::int64_t>(sizeof(float)));
  auto* to = reinterpret_cast<float*>(staged.data());
  const std::int64_t size = weights::bits(tensor.dtype) / 8;
  parallel_for(threads, tensor.elements(), 1 << 18, [&](std::int64_t begin, std::int64_t end, int) {
    weights::to_f32(to + begin, tensor.bytes.data() + begin * size, tensor.dtype, end - begin);
  });
  return to;
}

}  // namespace

void pack_conv1d(const kernels::KernelTable& kernels, Threads& threads, const LinearPlace& place,
                 const weights::TensorView& tensor) {
  const std::int64_t N = place.N, K = place.K;
  LINNET_ASSERT(place.kind == LinearKind::kFloat32 || place.kind == LinearKind::kBfloat16);
  Block staged;
  const float* from = floats_of(threads, tensor, staged);
  const bool bf16 = place.kind == LinearKind::kBfloat16;
  const std::int64_t step = bf16 ? kernels::kPanelBf16 : kernels.gemm_f32.column_step;
  parallel_for(threads, (N + step - 1) / step, 1, [&](std::int64_t begin, std::int64_t end, int) {
    const std::int64_t n_begin = begin * step, n_end = std::min(end * step, N);
    if (bf16) {
      kernels.pack_bf16(reinterpret_cast<std::uint16_t*>(place.packed), from, 1, N, K, n_begin,
                        n_end);
    } else {
      kernels.gemm_f32.pack(reinterpret_cast<float*>(place.packed), from, 1, N, N, K, n_begin,
                            n_end);
    }
  });
}

}  // namespace linnet
