#include "engine/models/encoder_fill.h"

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

[[noreturn]] void fail(const EncoderModel& model, ErrorCode code, const TensorView& tensor,
                       const std::string& what) {
  throw Error(code,
              model.checkpoint.directory().name() + ": tensor " + quote(tensor.name) + ": " + what);
}

}  // namespace

EncoderTensors::EncoderTensors(const EncoderDescription& description,
                               const std::vector<const TensorView*>& found) {
  for (std::size_t i = 0; i < found.size(); ++i) {
    const weights::TensorRule& rule = description.rules[i];
    if (rule.presence == weights::Presence::kUnused) continue;
    by_field_[{static_cast<EncoderField>(rule.field), rule.layer}] = found[i];
  }
}

const TensorView* EncoderTensors::find(EncoderField field, std::int64_t layer) const {
  const auto at = by_field_.find({field, layer});
  return at == by_field_.end() ? nullptr : at->second;
}

void EncoderFiller::vector(float* to, EncoderField field, std::int64_t layer) {
  const TensorView* tensor = tensors_.find(field, layer);
  if (tensor == nullptr) return;
  check_finite(*tensor);
  weights::to_f32(to, tensor->bytes.data(), tensor->dtype, tensor->elements());
}

void EncoderFiller::norm(const NormPlace& place, EncoderField field, std::int64_t layer) {
  vector(place.gamma, field, layer);
  vector(place.beta, bias_of(field), layer);
}

Linear EncoderFiller::linear(const LinearPlace& place, EncoderField field, std::int64_t layer) {
  return stacked(place, std::array{field}, layer);
}

Linear EncoderFiller::stacked(const LinearPlace& place, std::span<const EncoderField> fields,
                              std::int64_t layer) {
  std::vector<TensorView> parts;
  std::int64_t row = 0;
  for (const EncoderField field : fields) {
    const TensorView& tensor = *tensors_.find(field, layer);
    check_finite(tensor);
    vector(place.bias + row, bias_of(field), layer);
    row += tensor.shape[0];
    parts.push_back(tensor);
  }
  Linear packed = place.view();
  if (is_onednn(place.kind)) {
    packed = pack_in_onednn(model_.onednn, threads_, place, parts);
  } else {
    pack_linear(model_.kernels, threads_, place, parts);
  }
  for (const TensorView& part : parts) model_.checkpoint.release(part);
  return packed;
}

Linear EncoderFiller::packed(const LinearPlace& place, EncoderField packed,
                             std::span<const EncoderField> fields, std::int64_t layer) {
  const TensorView& weights = *tensors_.find(packed, layer);
  float* bias = place.bias;
  for (const EncoderField field : fields) {
    vector(bias, bias_of(field), layer);
    bias += tensors_.find(bias_of(field), layer)->shape[0];
  }
  scales(place.scale, scale_of(packed), layer);
  if (place.factors != nullptr) scales(place.factors, factors_of(packed), layer);

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
  return result;
}

void EncoderFiller::row_scales(float* to) { scales(to, EncoderField::kWordEmbeddingsScale, 0); }

void EncoderFiller::scales(float* to, EncoderField field, std::int64_t layer) {
  const TensorView& tensor = *tensors_.find(field, layer);
  weights::to_f32(to, tensor.bytes.data(), tensor.dtype, tensor.elements());
  for (std::int64_t i = 0; i < tensor.elements(); ++i) {
    if (std::isfinite(to[i]) && to[i] >= 0) continue;
    fail(model_, ErrorCode::kFormat, tensor,
         "element " + std::to_string(i) + " is " + std::to_string(to[i]) +
             ", expected a number of 0 or more");
  }
}

void EncoderFiller::check_finite(const TensorView& tensor) {
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
