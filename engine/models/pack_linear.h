#pragma once

#include <deque>
#include <optional>
#include <span>

#include "engine/core/layout.h"
#include "engine/core/parallel.h"
#include "engine/ops/linear.h"
#include "weights/safetensors.h"

namespace linnet {

/// Layers of this kind compute in this precision with this backend.
constexpr LinearKind linear_kind(Precision precision, Backend backend = Backend::kLinnet) {
  const bool onednn = backend == Backend::kOneDnn;
  switch (precision) {
    case Precision::kBfloat16:
      return onednn ? LinearKind::kOneDnnBfloat16 : LinearKind::kBfloat16;
    case Precision::kInt8:
      return onednn ? LinearKind::kOneDnnInt8 : LinearKind::kInt8;
    case Precision::kFloat32:
      break;
  }
  return onednn ? LinearKind::kOneDnnFloat32 : LinearKind::kFloat32;
}

/// What oneDNN holds of a model: nothing with the other backend. Layers stay where they are when a
/// model is moved.
struct OneDnnLayers {
  std::optional<onednn::Plugin> plugin;
  std::deque<onednn::Layer> layers;
};

/// Where a packed linear layer goes. oneDNN keeps its layers itself: of them only the bias is here.
struct LinearPlace {
  std::byte* packed = nullptr;
  float* bias = nullptr;
  float* scale = nullptr;  // [N], of kInt8 and kInt4
  std::int64_t N = 0, K = 0;
  LinearKind kind = LinearKind::kFloat32;
  float* factors = nullptr;              // [K], where transform.r is
  kernels::RowTransform transform = {};  // of kInt8 and kInt4

  LinearPlace() = default;
  LinearPlace(Layout& layout, const kernels::KernelTable& kernels, LinearKind layer_kind,
              std::int64_t rows, std::int64_t cols);
  Linear view() const;
};

/// The place of a layer of kInt8 or kInt4 that comes packed out of a file: of its weights only if
/// they are to be copied.
enum class PackedWeights { kMap, kCopy };
struct PackedLayer {
  LinearKind kind = LinearKind::kInt8;
  kernels::RowTransform transform = {};
  bool factors = false;  // transform.r will come from the file
};
LinearPlace place_of_packed(Layout& layout, const PackedLayer& layer, PackedWeights weights,
                            std::int64_t N, std::int64_t K);
/// Bytes of the packed weights [N, K] of kInt8, and of kInt4; of either of them.
std::int64_t packed_bytes_s8(std::int64_t N, std::int64_t K);
std::int64_t packed_bytes_s4(std::int64_t N, std::int64_t K);
std::int64_t packed_bytes_integer(LinearKind kind, std::int64_t N, std::int64_t K);

/// How a checkpoint stores the weights of a layer: as they are, [N, K], or their transpose, as
/// GPT-2's Conv1D does.
enum class Stored { kOutIn, kInOut };

/// Packs the weights [N, K] of a layer, given as float tensors [n_i, K] one below the other, or as
/// one tensor [K, N]; of kInt8 after quantize_channels_s8().
void pack_linear(const kernels::KernelTable& kernels, Threads& threads, const LinearPlace& place,
                 std::span<const weights::TensorView> parts, Stored stored = Stored::kOutIn);

/// The same for the kinds that are oneDNN's; the bias must be in its place already.
Linear pack_in_onednn(OneDnnLayers& onednn, Threads& threads, const LinearPlace& place,
                      std::span<const weights::TensorView> parts);

}  // namespace linnet
