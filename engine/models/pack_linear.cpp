#include "engine/models/pack_linear.h"

#include <algorithm>
#include <bit>

#include "weights/number_formats.h"

namespace linnet {
namespace {

bool is_usable_in_place(const weights::TensorView& tensor) {
  return tensor.dtype == weights::DType::kF32 &&
         std::bit_cast<std::uintptr_t>(tensor.bytes.data()) % alignof(float) == 0;
}

// All parts as floats in one matrix.
Block stage(Threads& threads, std::span<const weights::TensorView> parts, std::int64_t N,
            std::int64_t K) {
  Block block(N * K * static_cast<std::int64_t>(sizeof(float)));
  auto* to = reinterpret_cast<float*>(block.data());
  for (const weights::TensorView& part : parts) {
    const std::int64_t size = weights::bits(part.dtype) / 8;
    parallel_for(threads, part.elements(), 1 << 18, [&](std::int64_t begin, std::int64_t end, int) {
      weights::to_f32(to + begin, part.bytes.data() + begin * size, part.dtype, end - begin);
    });
    to += part.elements();
  }
  return block;
}

}  // namespace

void pack_linear(const kernels::GemmF32& gemm, Threads& threads, const LinearPlace& place,
                 std::span<const weights::TensorView> parts) {
  const std::int64_t N = place.N, K = place.K;
  Block staged;
  if (parts.size() > 1 || !is_usable_in_place(parts[0])) staged = stage(threads, parts, N, K);
  const auto* rows = reinterpret_cast<const float*>(
      staged.data() != nullptr ? staged.data() : parts[0].bytes.data());
  const std::int64_t panels = (N + gemm.column_step - 1) / gemm.column_step;
  parallel_for(threads, panels, 1, [&](std::int64_t begin, std::int64_t end, int) {
    gemm.pack(place.packed, rows, K, 1, N, K, begin * gemm.column_step,
              std::min(end * gemm.column_step, N));
  });
}

}  // namespace linnet
