#include "engine/models/parameter_fill.h"

#include <array>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>

#include "weights/base/error.h"
#include "weights/base/text.h"
#include "weights/number_formats.h"

namespace linnet {
namespace {

using weights::TensorView;

[[noreturn]] void fail(const FillContext& model, ErrorCode code, const TensorView& tensor,
                       const std::string& what) {
  throw Error(code,
              model.checkpoint.directory().name() + ": tensor " + quote(tensor.name) + ": " + what);
}

Linear without_bias(Linear layer, Bias bias) {
  if (bias == Bias::kNone) layer.bias = nullptr;
  return layer;
}

// Rows that are read one by one: from the file itself where it holds aligned floats, else from a
// copy.
Mat<const float> float_rows(const TensorView& tensor, Block& copy) {
  const std::int64_t rows = tensor.shape[0], cols = tensor.shape[1];
  const bool aligned = std::bit_cast<std::uintptr_t>(tensor.bytes.data()) % alignof(float) == 0;
  if (tensor.dtype == weights::DType::kF32 && aligned) {
    return {reinterpret_cast<const float*>(tensor.bytes.data()), rows, cols, cols};
  }
  copy = Block(rows * cols * static_cast<std::int64_t>(sizeof(float)));
  auto* floats = reinterpret_cast<float*>(copy.data());
  weights::to_f32(floats, tensor.bytes.data(), tensor.dtype, rows * cols);
  return {floats, rows, cols, cols};
}

}  // namespace

ModelTensors::ModelTensors(const ModelDescription& description,
                           const std::vector<const TensorView*>& found) {
  for (std::size_t i = 0; i < found.size(); ++i) {
    const weights::TensorRule& rule = description.rules[i];
    if (rule.presence == weights::Presence::kUnused) continue;
    FieldId field;
    field.value = rule.field;
    by_field_[{field, rule.layer}] = {found[i], rule.conv1d ? Stored::kInOut : Stored::kOutIn};
  }
}

const TensorView* ModelTensors::find(FieldId field, std::int64_t layer) const {
  const auto at = by_field_.find({field, layer});
  return at == by_field_.end() ? nullptr : at->second.tensor;
}

Stored ModelTensors::stored(FieldId field, std::int64_t layer) const {
  return by_field_.at({field, layer}).stored;
}

LinearPlace UnitPlacer::place(Layout& layout, FieldId unit, std::int64_t layer, std::int64_t N,
                              std::int64_t K) const {
  const auto at = description_.packed.find({unit, layer});
  return at == description_.packed.end() ? LinearPlace(layout, kernels_, kind_, N, K)
                                         : place_of_packed(layout, at->second, packed_, N, K);
}

void ParameterFiller::vector(float* to, FieldId field, std::int64_t layer) {
  const TensorView* tensor = tensors_.find(field, layer);
  if (tensor == nullptr) return;
  check_finite(*tensor);
  weights::to_f32(to, tensor->bytes.data(), tensor->dtype, tensor->elements());
}

void ParameterFiller::norm(const NormPlace& place, FieldId field, std::int64_t layer) {
  vector(place.gamma, field, layer);
  vector(place.beta, bias_of(field), layer);
}

Linear ParameterFiller::linear(const LinearPlace& place, FieldId field, Bias bias) {
  return stacked(place, {{}, {field}, bias}, 0);
}

Linear ParameterFiller::unit(const ModelDescription& description, const LinearPlace& place,
                             FieldId name, std::int64_t layer) {
  const UnitKind& kind = description.unit(name);
  return description.is_packed(name, layer) ? packed(place, kind, layer)
                                            : stacked(place, kind, layer);
}

Linear ParameterFiller::stacked(const LinearPlace& place, const UnitKind& kind,
                                std::int64_t layer) {
  std::vector<TensorView> parts;
  float* bias = place.bias;
  for (const FieldId field : kind.weights) {
    const TensorView& tensor = *tensors_.find(field, layer);
    check_finite(tensor);
    parts.push_back(tensor);
    if (kind.bias == Bias::kNone) continue;
    vector(bias, bias_of(field), layer);
    bias += tensor.shape[0];  // one below the other: none of them is stored transposed
  }
  Linear packed = place.view();
  if (is_onednn(place.kind)) {
    packed = pack_in_onednn(model_.onednn, threads_, place, parts);
  } else {
    pack_linear(model_.kernels, threads_, place, parts, tensors_.stored(kind.weights[0], layer));
  }
  for (const TensorView& part : parts) model_.checkpoint.release(part);
  return without_bias(packed, kind.bias);
}

Linear ParameterFiller::packed(const LinearPlace& place, const UnitKind& kind, std::int64_t layer) {
  const TensorView& weights = *tensors_.find(kind.packed, layer);
  float* bias = place.bias;
  for (const FieldId field : kind.weights) {
    if (kind.bias == Bias::kNone) break;
    vector(bias, bias_of(field), layer);
    bias += tensors_.find(bias_of(field), layer)->shape[0];
  }
  scales(place.scale, scale_of(kind.packed), layer);
  if (place.factors != nullptr) scales(place.factors, factors_of(kind.packed), layer);

  Linear result = place.view();
  const std::byte* bytes = weights.bytes.data();
  if (place.packed != nullptr) {
    std::memcpy(place.packed, bytes, weights.bytes.size());
    model_.checkpoint.release(weights);
  } else if (std::bit_cast<std::uintptr_t>(bytes) % 64 == 0) {
    result.packed = bytes;
  } else {  // written by others: ours begin on a page
    Block& copy = model_.unaligned.emplace_back(static_cast<std::int64_t>(weights.bytes.size()));
    std::memcpy(copy.data(), bytes, weights.bytes.size());
    result.packed = copy.data();
  }
  // Of 4 bits every byte means something.
  if (place.kind == LinearKind::kInt4) return without_bias(result, kind.bias);
  std::atomic<bool> good{true};
  const std::int64_t step = kernels::kPanelS8;
  parallel_for(threads_, (place.N + step - 1) / step, 1,
               [&](std::int64_t begin, std::int64_t end, int) {
                 const auto* w = reinterpret_cast<const std::int8_t*>(result.packed);
                 const std::int64_t n_end = std::min(end * step, place.N);
                 if (!model_.kernels.check_packed_s8(w, place.K, begin * step, n_end)) good = false;
               });
  if (!good) {
    fail(model_, ErrorCode::kFormat, weights, "is not packed INT8: sums or values are wrong");
  }
  return without_bias(result, kind.bias);
}

void ParameterFiller::words(const ModelDescription& description, EmbeddingTables& tables,
                            float* row_scales, Block& copy) {
  const TensorView& words = *tensors_.find(description.words);
  check_finite(words);
  if (description.packed_words) {
    tables.word_s8 = {reinterpret_cast<const std::int8_t*>(words.bytes.data()), words.shape[0],
                      words.shape[1], words.shape[1]};
    scales(row_scales, description.words_scale, 0);
    tables.word_scale = row_scales;
  } else {
    tables.word = float_rows(words, copy);
  }
  model_.checkpoint.release(words);
}

void ParameterFiller::scales(float* to, FieldId field, std::int64_t layer) {
  const TensorView& tensor = *tensors_.find(field, layer);
  weights::to_f32(to, tensor.bytes.data(), tensor.dtype, tensor.elements());
  for (std::int64_t i = 0; i < tensor.elements(); ++i) {
    if (std::isfinite(to[i]) && to[i] >= 0) continue;
    fail(model_, ErrorCode::kFormat, tensor,
         "element " + std::to_string(i) + " is " + std::to_string(to[i]) +
             ", expected a number of 0 or more");
  }
}

void ParameterFiller::check_finite(const TensorView& tensor) {
  if (non_finite_ == NonFinite::kAllow || !weights::is_float(tensor.dtype)) return;
  const auto size = static_cast<std::int64_t>(weights::bits(tensor.dtype) / 8);
  std::atomic<std::int64_t> found{-1};
  parallel_for(threads_, tensor.elements(), 1 << 18,
               [&](std::int64_t begin, std::int64_t end, int) {
                 const std::int64_t at = weights::first_not_finite(
                     tensor.bytes.data() + begin * size, tensor.dtype, end - begin);
                 if (at >= 0) found = begin + at;
               });
  if (found >= 0) {
    fail(model_, ErrorCode::kNumeric, tensor,
         "element " + std::to_string(found) + " is not finite");
  }
}

}  // namespace linnet
