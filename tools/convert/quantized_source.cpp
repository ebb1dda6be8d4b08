#include "tools/convert/quantized_source.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "engine/models/pack_linear.h"
#include "engine/ops/packed_rows.h"
#include "weights/base/error.h"
#include "weights/base/text.h"
#include "weights/number_formats.h"

namespace linnet::tools {
namespace {

using weights::DType;
using weights::TensorView;

const TensorView* tensor_of(const weights::Checkpoint& checkpoint, const std::string& name,
                            DType dtype, std::initializer_list<std::int64_t> shape) {
  const TensorView* tensor = checkpoint.find(name);
  if (tensor != nullptr && tensor->dtype == dtype &&
      std::equal(shape.begin(), shape.end(), tensor->shape.begin(), tensor->shape.end())) {
    return tensor;
  }
  throw Error(ErrorCode::kFormat, checkpoint.directory().name() + ": tensor " + quote(name) +
                                      " is not what linnet.json describes");
}

// Elements [first, first + n) of an F32 tensor.
std::vector<float> stored_floats(const TensorView& tensor, std::int64_t first, std::int64_t n) {
  std::vector<float> values(static_cast<std::size_t>(n));
  std::memcpy(values.data(), tensor.bytes.data() + first * 4, values.size() * 4);
  return values;
}

// Some rows of the layer.
compress::QuantizedLinear rows(const QuantizedSource& source, std::int64_t first, std::int64_t n) {
  const weights::ManifestLayer& layer = source.layer;
  compress::QuantizedLinear part;
  part.N = n;
  part.K = layer.K;
  part.recipe.rotation = {layer.n, layer.thirds, layer.in_lane};
  part.scale = stored_floats(*source.scale, first, n);
  if (source.factors != nullptr) part.recipe.r = stored_floats(*source.factors, 0, layer.K);
  part.q.resize(static_cast<std::size_t>(n * part.ldq()));
  const std::byte* packed = source.weight->bytes.data();
  const bool four = layer.format == weights::LayerFormat::kPacked4;
  if (four) part.t.resize(static_cast<std::size_t>(n * part.groups()));
  for (std::int64_t i = 0; i < n; ++i) {
    std::int8_t* to = part.q.data() + i * part.ldq();
    if (layer.format == weights::LayerFormat::kRows) {
      std::memcpy(to, packed + (first + i) * layer.K, static_cast<std::size_t>(layer.K));
    } else if (four) {
      unpack_row_s4(to, part.t.data() + i * part.groups(), packed, first + i, layer.N, layer.K);
    } else {
      unpack_row_s8(to, packed, first + i, layer.N, layer.K);
    }
  }
  return part;
}

void write_floats(const std::vector<float>& values, DType dtype, weights::OutputFile& out) {
  const auto n = static_cast<std::int64_t>(values.size());
  std::vector<std::byte> bytes(static_cast<std::size_t>(n * weights::bits(dtype) / 8));
  weights::convert(bytes.data(), dtype, reinterpret_cast<const std::byte*>(values.data()),
                   DType::kF32, n);
  out.write(bytes.data(), bytes.size());
}

}  // namespace

QuantizedSources quantized_sources(const weights::Checkpoint& checkpoint,
                                   const weights::Manifest& manifest) {
  QuantizedSources sources;
  for (const auto& [name, layer] : manifest.layers) {
    QuantizedSource source{layer};
    const std::string weight = name + ".weight";
    if (layer.format != weights::LayerFormat::kRows) {
      const std::int64_t bytes = layer.format == weights::LayerFormat::kPacked4
                                     ? packed_bytes_s4(layer.N, layer.K)
                                     : packed_bytes_s8(layer.N, layer.K);
      source.weight = tensor_of(checkpoint, weight, DType::kI8, {bytes});
    } else {
      source.weight = tensor_of(checkpoint, weight, DType::kI8, {layer.N, layer.K});
    }
    source.scale = tensor_of(checkpoint, weight + "_scale", DType::kF32, {layer.N});
    if (layer.factors) {
      source.factors = tensor_of(checkpoint, name + ".input_factors", DType::kF32, {layer.K});
    }
    sources.emplace(name, std::move(source));
  }
  return sources;
}

std::pair<const QuantizedSource*, std::int64_t> rows_of(const QuantizedSources& layers,
                                                        const weights::Manifest& manifest,
                                                        const std::string& name) {
  const QuantizedSource& source = layers.at(manifest.tensors.at(name).layer);
  std::int64_t row = 0;
  for (const std::string& part : source.layer.of) {
    if (part == name) break;
    row += manifest.tensors.at(part).shape[0];
  }
  return {&source, row};
}

void write_rows(const QuantizedSource& layer, std::int64_t first_row,
                const weights::TensorHeader& to, weights::OutputFile& out) {
  constexpr std::int64_t kAtOnce = 256;
  Threads threads(1);
  std::vector<float> w;
  if (layer.layer.transposed) {
    const std::int64_t N = layer.layer.N, K = layer.layer.K;
    w.resize(static_cast<std::size_t>(N * K));
    compress::dequantize(threads, w.data(), rows(layer, 0, N));
    std::vector<float> line(static_cast<std::size_t>(N));
    for (std::int64_t k = 0; k < K; ++k) {
      for (std::int64_t n = 0; n < N; ++n) {
        line[static_cast<std::size_t>(n)] = w[static_cast<std::size_t>(n * K + k)];
      }
      write_floats(line, to.dtype, out);
    }
    return;
  }
  for (std::int64_t row = 0; row < to.shape[0]; row += kAtOnce) {
    const std::int64_t n = std::min(kAtOnce, to.shape[0] - row);
    w.resize(static_cast<std::size_t>(n * layer.layer.K));
    compress::dequantize(threads, w.data(), rows(layer, first_row + row, n));
    write_floats(w, to.dtype, out);
  }
}

}  // namespace linnet::tools
