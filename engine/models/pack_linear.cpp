#include "engine/models/pack_linear.h"

#include <algorithm>
#include <bit>

#include "engine/core/assert.h"
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
    case LinearKind::kInt4:
      return packed_bytes_s4(N, K);
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
    case LinearKind::kInt4:
      return kernels::kPanelS4;
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

// Weights whose element (n, k) is w[n·stride_n + k·stride_k]; one of the strides is 1.
struct Strided {
  const float* w;
  std::int64_t stride_n, stride_k;
};

// Room in which each thread quantises one panel of columns; of kInt8.
class Int8Panels {
 public:
  Int8Panels(Threads& threads, LinearKind kind, std::int64_t K)
      : K_(K),
        panel_(kernels::kPanelS8 * K),
        floats_(kind == LinearKind::kInt8 ? threads.count() * panel_ * 4 : 0),
        bytes_(kind == LinearKind::kInt8 ? threads.count() * panel_ : 0) {}

  // Quantises and packs the columns of one panel, which begins at n.
  void pack(const kernels::KernelTable& kernels, int thread, const LinearPlace& place,
            std::int64_t n, const Strided& from) const {
    const std::int64_t width = std::min(kernels::kPanelS8, place.N - n);
    const float* rows = from.w + n * from.stride_n;
    if (from.stride_k != 1) {
      float* turned = reinterpret_cast<float*>(floats_.data()) + thread * panel_;
      for (std::int64_t k = 0; k < K_; ++k) {
        for (std::int64_t i = 0; i < width; ++i) turned[i * K_ + k] = rows[i + k * from.stride_k];
      }
      rows = turned;
    }
    auto* q = reinterpret_cast<std::int8_t*>(bytes_.data()) + thread * panel_;
    quantize_channels_s8(q, place.scale + n, rows, width, K_);
    // Panels stand one after the other.
    auto* to = reinterpret_cast<std::int8_t*>(place.packed) + n * kernels::column_bytes_s8(K_);
    kernels.pack_s8(to, q, K_, 1, K_, 0, width);
  }

 private:
  std::int64_t K_, panel_;
  Block floats_, bytes_;  // [threads, 48, K]
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

std::int64_t packed_bytes_s4(std::int64_t N, std::int64_t K) {
  return (N + 15) / 16 * 16 * kernels::column_bytes_s4(K);
}

std::int64_t packed_bytes_integer(LinearKind kind, std::int64_t N, std::int64_t K) {
  return kind == LinearKind::kInt4 ? packed_bytes_s4(N, K) : packed_bytes_s8(N, K);
}

LinearPlace place_of_packed(Layout& layout, const PackedLayer& layer, PackedWeights weights,
                            std::int64_t N, std::int64_t K) {
  LinearPlace place;
  if (weights == PackedWeights::kCopy) {
    place.packed = layout.mat<std::byte>(1, packed_bytes_integer(layer.kind, N, K)).data;
  }
  place.bias = layout.mat(1, N).data;
  place.scale = layout.mat(1, N).data;
  place.N = N;
  place.K = K;
  place.kind = layer.kind;
  place.transform = layer.transform;
  if (layer.factors) place.factors = layout.mat(1, K).data;
  place.transform.r = place.factors;
  return place;
}

void pack_linear(const kernels::KernelTable& kernels, Threads& threads, const LinearPlace& place,
                 std::span<const weights::TensorView> parts, Stored stored) {
  const std::int64_t N = place.N, K = place.K;
  LINNET_ASSERT(stored == Stored::kOutIn || parts.size() == 1);
  Block staged;
  const float* w = weights_of(threads, place, parts, staged);
  const std::int64_t stride_n = stored == Stored::kOutIn ? K : 1;
  const std::int64_t stride_k = stored == Stored::kOutIn ? 1 : N;
  const std::int64_t step = column_step(kernels, place.kind);
  const Int8Panels panels(threads, place.kind, K);
  parallel_for(threads, (N + step - 1) / step, 1,
               [&](std::int64_t begin, std::int64_t end, int thread) {
                 const std::int64_t n_begin = begin * step, n_end = std::min(end * step, N);
                 switch (place.kind) {
                   case LinearKind::kFloat32:
                     return kernels.gemm_f32.pack(reinterpret_cast<float*>(place.packed), w,
                                                  stride_n, stride_k, N, K, n_begin, n_end);
                   case LinearKind::kBfloat16:
                     return kernels.pack_bf16(reinterpret_cast<std::uint16_t*>(place.packed), w,
                                              stride_n, stride_k, K, n_begin, n_end);
                   case LinearKind::kInt8:
                     for (std::int64_t n = n_begin; n < n_end; n += step) {
                       panels.pack(kernels, thread, place, n, {w, stride_n, stride_k});
                     }
                     return;
                   case LinearKind::kInt4:  // comes packed out of a file
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
