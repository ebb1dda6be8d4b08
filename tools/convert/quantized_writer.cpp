#include "tools/convert/quantized_writer.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "weights/base/error.h"

namespace linnet::tools {
namespace {

using weights::DType;

constexpr std::int64_t kPage = 4096;

std::string without_weight(const std::string& name) {
  return name.substr(0, name.size() - std::strlen(".weight"));
}

LinearKind kind_of(const compress::QuantizedLinear& layer) {
  return layer.bits() == compress::WeightBits::kFour ? LinearKind::kInt4 : LinearKind::kInt8;
}

void write_packed(const compress::QuantizedLinear& layer, weights::OutputFile& out) {
  // Panels stand one after the other: they are packed and written one at a time.
  const kernels::KernelTable kernels = kernels::make_table(kernels::Isa::kReference);
  const LinearKind kind = kind_of(layer);
  const bool four = kind == LinearKind::kInt4;
  const std::int64_t K64 = layer.ldq(), step = four ? kernels::kPanelS4 : kernels::kPanelS8;
  std::vector<std::int8_t> panel(static_cast<std::size_t>(packed_bytes_integer(kind, step, K64)));
  for (std::int64_t n = 0; n < layer.N; n += step) {
    const std::int64_t width = std::min(step, layer.N - n);
    const std::int8_t* q = layer.q.data() + n * K64;
    if (four) {
      kernels.pack_s4(panel.data(), q, layer.t.data() + n * layer.groups(), K64, 0, width);
    } else {
      kernels.pack_s8(panel.data(), q, K64, 1, K64, 0, width);
    }
    out.write(panel.data(), static_cast<std::size_t>(packed_bytes_integer(kind, width, K64)));
  }
}

}  // namespace

template <class T>
void QuantizedWriter::add(std::string name, DType dtype, std::vector<std::int64_t> shape,
                          const std::vector<T>& values) {
  outputs_.push_back(
      {{std::move(name), dtype, std::move(shape)}, [&values](weights::OutputFile& out) {
         out.write(values.data(), values.size() * sizeof(T));
       }});
}

void QuantizedWriter::add_layer(const std::string& name, const std::vector<std::string>& parts,
                                weights::ManifestLayer layer) {
  for (const std::string& part : parts) {
    weights::ManifestTensor& tensor = manifest_.tensors.at(part);
    tensor.kept = weights::Kept::kQuantized;
    tensor.layer = name;
  }
  layer.of = parts;
  manifest_.layers.emplace(name, std::move(layer));
}

void QuantizedWriter::add_words(const compress::QuantizedRows& words) {
  const std::string weight =
      names_.of_rule(description_.rules[word_embeddings_rule(description_)].name);
  weights::ManifestLayer layer;
  layer.format = weights::LayerFormat::kRows;
  layer.N = words.V;
  layer.K = words.D;
  add_layer(without_weight(weight), {weight}, layer);
  add(weight, DType::kI8, {words.V, words.D}, words.q);
  add(weight + "_scale", DType::kF32, {words.V}, words.scale);
}

void QuantizedWriter::add_unit(const LinearUnit& unit, const compress::QuantizedLinear& quantized) {
  std::vector<std::string> parts;
  for (const std::size_t i : unit.rules) {
    parts.push_back(names_.of_rule(description_.rules[i].name));
  }
  const std::string name = parts.size() == 1 ? without_weight(parts[0]) : names_.in_base(unit.name);
  weights::ManifestLayer layer;
  const LinearKind kind = kind_of(quantized);
  if (kind == LinearKind::kInt4) layer.format = weights::LayerFormat::kPacked4;
  layer.N = quantized.N;
  layer.K = quantized.K;
  layer.n = quantized.recipe.rotation.n;
  layer.thirds = quantized.recipe.rotation.thirds;
  layer.in_lane = quantized.recipe.rotation.in_lane;
  layer.factors = !quantized.recipe.r.empty();
  layer.transposed = description_.rules[unit.rules.front()].conv1d;
  add_layer(name, parts, layer);
  outputs_.push_back(
      {{name + ".weight", DType::kI8, {packed_bytes_integer(kind, layer.N, layer.K)}},
       [&quantized](weights::OutputFile& out) { write_packed(quantized, out); }});
  add(name + ".weight_scale", DType::kF32, {layer.N}, quantized.scale);
  if (layer.factors) add(name + ".input_factors", DType::kF32, {layer.K}, quantized.recipe.r);
}

void QuantizedWriter::write(const std::string& path, NonFinite non_finite) {
  if (manifest_.layers.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "every layer would stay in FP32: nothing is in INT8");
  }
  for (const Transfer& one : transfers(checkpoint_, manifest_)) {
    outputs_.push_back({one.to, [this, one, non_finite](weights::OutputFile& out) {
                          manifest_.tensors.at(one.to.name).rounded =
                              transfer(one, non_finite, [&](std::span<const std::byte> bytes) {
                                out.write(bytes.data(), bytes.size());
                              });
                          checkpoint_.release(one.from);
                        }});
  }
  std::vector<weights::TensorHeader> headers;
  for (const Output& one : outputs_) headers.push_back(one.header);
  weights::write_safetensors(
      path, headers, {{"format", "pt"}},
      [&](std::size_t i, weights::OutputFile& out) { outputs_[i].write(out); }, kPage);
}

std::int64_t QuantizedWriter::bytes() const {
  std::int64_t sum = 0;
  for (const Output& one : outputs_) sum += *weights::bytes_of(one.header.dtype, one.header.shape);
  return sum;
}

}  // namespace linnet::tools
