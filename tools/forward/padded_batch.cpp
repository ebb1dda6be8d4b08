#include "tools/forward/padded_batch.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "weights/base/error.h"
#include "weights/base/text.h"

namespace linnet::tools {
namespace {

using weights::Safetensors;
using weights::TensorView;

[[noreturn]] void fail(const Safetensors& file, const std::string& tensor,
                       const std::string& what) {
  throw Error(ErrorCode::kFormat, file.file().name() + ": tensor " + quote(tensor) + " " + what);
}

// Integers of one input; empty when there is none. `shape` empty takes any.
std::vector<std::int32_t> read_integers(const Safetensors& file, const std::string& name,
                                        std::span<const std::int64_t> shape) {
  const TensorView* tensor = file.find(name);
  if (tensor == nullptr) return {};
  if (tensor->dtype != weights::DType::kI64) {
    fail(file, name, std::string("is ") + weights::name(tensor->dtype) + ", expected I64");
  }
  if (!shape.empty() &&
      !std::equal(shape.begin(), shape.end(), tensor->shape.begin(), tensor->shape.end())) {
    fail(file, name,
         "has shape " + weights::shape_text(tensor->shape) + ", expected that of input_ids, " +
             weights::shape_text(shape));
  }
  std::vector<std::int32_t> values;
  values.reserve(static_cast<std::size_t>(tensor->elements()));
  for (std::int64_t i = 0; i < tensor->elements(); ++i) {
    std::int64_t value = 0;
    std::memcpy(&value, tensor->bytes.data() + i * 8, sizeof value);
    if (value < std::numeric_limits<std::int32_t>::min() ||
        value > std::numeric_limits<std::int32_t>::max()) {
      fail(file, name,
           "holds " + std::to_string(value) + " at " + std::to_string(i) +
               ", expected an integer of 32 bits");
    }
    values.push_back(static_cast<std::int32_t>(value));
  }
  return values;
}

}  // namespace

PaddedBatch::PaddedBatch(const Safetensors& file, const std::string& prefix) {
  const std::string ids_name = prefix + "input_ids";
  const TensorView* ids_tensor = file.find(ids_name);
  if (ids_tensor == nullptr) fail(file, ids_name, "is missing");
  if (ids_tensor->shape.size() != 2 && ids_tensor->shape.size() != 3) {
    fail(file, ids_name,
         "has shape " + weights::shape_text(ids_tensor->shape) +
             ", expected [B, T] or [B, choices, T]");
  }
  shape_.assign(ids_tensor->shape.begin(), ids_tensor->shape.end());
  const auto ids = read_integers(file, ids_name, {});
  const auto mask = read_integers(file, prefix + "attention_mask", shape_);
  const auto types = read_integers(file, prefix + "token_type_ids", shape_);
  const auto positions = read_integers(file, prefix + "position_ids", shape_);
  if (ids.empty()) fail(file, ids_name, "is empty");
  const auto T = static_cast<std::size_t>(length());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (!mask.empty() && mask[i] != 0 && mask[i] != 1) {
      fail(file, prefix + "attention_mask",
           "holds " + std::to_string(mask[i]) + ", expected 0 or 1");
    }
    if (mask.empty() || mask[i] == 1) {
      tokens_.push_back(ids[i]);
      positions_.push_back(positions.empty() ? static_cast<std::int32_t>(i % T) : positions[i]);
      if (!types.empty()) types_.push_back(types[i]);
      places_.push_back(static_cast<std::int64_t>(i));
    }
    if (i % T + 1 == T) {
      const auto end = static_cast<std::int64_t>(tokens_.size());
      if (end == starts_.back()) {
        fail(file, prefix + "attention_mask",
             "leaves row " + std::to_string(i / T) + " without a token");
      }
      starts_.push_back(end);
    }
  }
}

std::vector<float> PaddedBatch::unpack(Mat<const float> packed) const {
  std::vector<float> out(static_cast<std::size_t>(rows() * length() * packed.cols), 0.0f);
  for (std::size_t t = 0; t < places_.size(); ++t) {
    std::copy_n(packed.row(static_cast<std::int64_t>(t)), packed.cols,
                out.begin() + places_[t] * packed.cols);
  }
  return out;
}

std::vector<std::string> batch_prefixes(const Safetensors& file) {
  std::vector<std::pair<std::int64_t, std::string>> found;
  for (const TensorView& tensor : file.tensors()) {
    const std::string_view name = tensor.name;
    if (name == "input_ids") found.emplace_back(-1, "");
    if (!name.starts_with('b') || !name.ends_with(".input_ids")) continue;
    const std::string digits(name.substr(1, name.size() - 1 - std::strlen(".input_ids")));
    const bool number = !digits.empty() && digits.size() < 10 &&
                        digits.find_first_not_of("0123456789") == std::string::npos;
    if (number) found.emplace_back(std::stoll(digits), "b" + digits + ".");
  }
  if (found.empty()) {
    throw Error(ErrorCode::kFormat,
                file.file().name() + ": has no tensor input_ids or b0.input_ids");
  }
  std::sort(found.begin(), found.end());
  std::vector<std::string> prefixes;
  for (auto& [number, prefix] : found) prefixes.push_back(std::move(prefix));
  return prefixes;
}

}  // namespace linnet::tools
