#include "engine/models/pack_linear.h"

#include <algorithm>
#include <bit>

#include "engine/models/quantize_channels.h"
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

std::int64_t packed_bytes(const kernels::KernelTable& kernels, LinearKind kind, std::int64_t N,
                          std::int64_t K) {
  switch (kind) {
    case LinearKind::kFloat32:
      return kernels.gemm_f32.packed_floats(N, K) * static_cast<std::int64_t>(sizeof(float));
    case LinearKind::kBfloat16:
      return (N + 15) / 16 * 16 * kernels::padded_k_bf16(K) * 2;
    case LinearKind::kInt8:
      return packed_bytes_s8(N, K);
    case LinearKind::kOneDnnFloat32:
    case LinearKind::kOneDnnBfloat16:
    case LinearKind::kOneDnnInt8:
      return 0;
  }
  return 0;
}

// Where slices of packed columns may begin.
std::int64_t column_step(const kernels::KernelTable& kernels, LinearKind kind) {
  switch (kind) {
    case LinearKind::kFloat32:
      return kernels.gemm_f32.column_step;
    case LinearKind::kBfloat16:
      return kernels::kPanelBf16;
    case LinearKind::kInt8:
      return kernels::kPanelS8;
    case LinearKind::kOneDnnFloat32:
    case LinearKind::kOneDnnBfloat16:
    case LinearKind::kOneDnnInt8:
      break;
  }
  return 1;
}

// The weights as floats: `staged` holds them where the checkpoint does not.
const float* weights_of(Threads& threads, const LinearPlace& place,
                        std::span<const weights::TensorView> parts, Block& staged) {
  if (parts.size() > 1 || !is_usable_in_place(parts[0])) {
    staged = stage(threads, parts, place.N, place.K);
  }
  return reinterpret_cast<const float*>(staged.data() != nullptr ? staged.data()
                                                                 : parts[0].bytes.data());
}

// Weights as quantize_channels_s8() makes them, each row padded with 0 to padded_k(K).
struct QuantizedRows {
  Block w, scale;  // [N, padded_k(K)], [N]

  QuantizedRows(Threads& threads, const float* rows, std::int64_t N, std::int64_t K)
      : w(N * kernels::padded_k(K)), scale(N * static_cast<std::int64_t>(sizeof(float))) {
    const std::int64_t ld = kernels::padded_k(K);
    auto* q = reinterpret_cast<std::int8_t*>(w.data());
    auto* scales = reinterpret_cast<float*>(scale.data());
    parallel_for(threads, N, 1, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t n = begin; n < end; ++n) {
        quantize_channels_s8(q + n * ld, scales + n, rows + n * K, 1, K);
        std::fill(q + n * ld + K, q + (n + 1) * ld, std::int8_t{0});
      }
    });
  }
};

}  // namespace

LinearPlace::LinearPlace(Layout& layout, const kernels::KernelTable& kernels, LinearKind layer_kind,
                         std::int64_t rows, std::int64_t cols)
    : packed(layout.mat<std::byte>(1, packed_bytes(kernels, layer_kind, rows, cols)).data),
      bias(layout.mat(1, rows).data),
      scale(layer_kind == LinearKind::kInt8 ? layout.mat(1, rows).data : nullptr),
      N(rows),
      K(cols),
      kind(layer_kind) {}

Linear LinearPlace::view() const {
  Linear layer;
  layer.packed = packed;
  layer.bias = bias;
  layer.N = N;
  layer.K = K;
  layer.kind = kind;
  layer.scale = scale;
  layer.transform = transform;
  return layer;
}

std::int64_t packed_bytes_s8(std::int64_t N, std::int64_t K) {
  return (N + 15) / 16 * 16 * kernels::column_bytes_s8(K);
}

LinearPlace place_of_packed(Layout& layout, const PackedLayer& layer, PackedWeights weights,
                            std::int64_t N, std::int64_t K) {
  LinearPlace place;
  if (weights == PackedWeights::kCopy) {
    place.packed = layout.mat<std::byte>(1, packed_bytes_s8(N, K)).data;
  }
  place.bias = layout.mat(1, N).data;
  place.scale = layout.mat(1, N).data;
  place.N = N;
  place.K = K;
  place.kind = LinearKind::kInt8;
  place.transform = layer.transform;
  if (layer.factors) place.factors = layout.mat(1, K).data;
  place.transform.r = place.factors;
  return place;
}

void pack_linear(const kernels::KernelTable& kernels, Threads& threads, const LinearPlace& place,
                 std::span<const weights::TensorView> parts) {
  const std::int64_t N = place.N, K = place.K;
  Block staged, quantised;
  const float* rows = weights_of(threads, place, parts, staged);
  if (place.kind == LinearKind::kInt8) quantised = Block(N * K);
  auto* w = reinterpret_cast<std::int8_t*>(quantised.data());
  const std::int64_t step = column_step(kernels, place.kind);
  parallel_for(threads, (N + step - 1) / step, 1, [&](std::int64_t begin, std::int64_t end, int) {
    const std::int64_t n_begin = begin * step, n_end = std::min(end * step, N);
    switch (place.kind) {
      case LinearKind::kFloat32:
        return kernels.gemm_f32.pack(reinterpret_cast<float*>(place.packed), rows, K, 1, N, K,
                                     n_begin, n_end);
      case LinearKind::kBfloat16:
        return kernels.pack_bf16(reinterpret_cast<std::uint16_t*>(place.packed), rows, K, 1, K,
                                 n_begin, n_end);
      case LinearKind::kInt8:
        quantize_channels_s8(w + n_begin * K, place.scale + n_begin, rows + n_begin * K,
                             n_end - n_begin, K);
        return kernels.pack_s8(reinterpret_cast<std::int8_t*>(place.packed), w, K, 1, K, n_begin,
                               n_end);
      case LinearKind::kOneDnnFloat32:
      case LinearKind::kOneDnnBfloat16:
      case LinearKind::kOneDnnInt8:
        return;  // pack_in_onednn()
    }
  });
}

Linear pack_in_onednn(OneDnnLayers& onednn, Threads& threads, const LinearPlace& place,
                      std::span<const weights::TensorView> parts) {
  Block staged;
  LinnetOneDnnLayerArgs args{};
  args.type = place.kind == LinearKind::kOneDnnBfloat16 ? kLinnetOneDnnBf16 : kLinnetOneDnnF32;
  args.N = place.N;
  args.K = place.K;
  const float* rows = weights_of(threads, place, parts, staged);
  args.weights = rows;
  args.bias = place.bias;
  std::optional<QuantizedRows> quantised;
  if (place.kind == LinearKind::kOneDnnInt8) {
    quantised.emplace(threads, rows, place.N, place.K);
    args.type = kLinnetOneDnnS8;
    args.K = kernels::padded_k(place.K);  // as the rows of x are
    args.weights = quantised->w.data();
    args.weight_scale = reinterpret_cast<const float*>(quantised->scale.data());
  }
  Linear layer = place.view();
  layer.onednn = &onednn.layers.emplace_back(*onednn.plugin, args);
  return layer;
}

}  // namespace linnet
