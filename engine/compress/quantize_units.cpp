#include "engine/compress/quantize_units.h"

#include <algorithm>
#include <string>
#include <utility>

#include "weights/base/error.h"
#include "weights/base/text.h"
#include "weights/number_formats.h"

namespace linnet::compress {
namespace {

// All elements of a tensor, of any type, in their order.
std::vector<float> finite_floats(const weights::Checkpoint& checkpoint,
                                 const weights::TensorView& tensor) {
  const std::int64_t at =
      weights::first_not_finite(tensor.bytes.data(), tensor.dtype, tensor.elements());
  if (at >= 0) {
    throw Error(ErrorCode::kNumeric, checkpoint.directory().name() + ": tensor " +
                                         quote(tensor.name) + ": element " + std::to_string(at) +
                                         " is not finite");
  }
  std::vector<float> floats(static_cast<std::size_t>(tensor.elements()));
  weights::to_f32(floats.data(), tensor.bytes.data(), tensor.dtype, tensor.elements());
  checkpoint.release(tensor);
  return floats;
}

// [N, K] of what is stored [K, N].
std::vector<float> turned(const std::vector<float>& from, std::int64_t N, std::int64_t K) {
  constexpr std::int64_t kBlock = 32;  // columns at a time: the lines read are used whole
  std::vector<float> to(from.size());
  for (std::int64_t first = 0; first < N; first += kBlock) {
    const std::int64_t last = std::min(first + kBlock, N);
    for (std::int64_t k = 0; k < K; ++k) {
      for (std::int64_t n = first; n < last; ++n) {
        to[static_cast<std::size_t>(n * K + k)] = from[static_cast<std::size_t>(k * N + n)];
      }
    }
  }
  return to;
}

}  // namespace

std::vector<float> unit_weights(const UnitSource& source, const LinearUnit& unit) {
  std::vector<float> rows;
  for (const std::size_t i : unit.rules) {
    std::vector<float> part = finite_floats(source.checkpoint, *source.names.tensors[i]);
    if (source.description.rules[i].conv1d) part = turned(part, unit.N, unit.K);
    if (rows.empty()) {
      rows = std::move(part);
    } else {
      rows.insert(rows.end(), part.begin(), part.end());
    }
  }
  return rows;
}

QuantizedLinear quantize_unit(Threads& threads, const UnitSource& source, const LinearUnit& unit,
                              const EncoderRecipe& recipe, WeightBits bits) {
  LinearRecipe linear;
  if (recipe.rotate) linear.rotation = default_rotation(unit.K, recipe.in_lane);
  const std::vector<float> w = unit_weights(source, unit);
  return quantize_linear(threads, w.data(), unit.N, unit.K, std::move(linear), bits);
}

QuantizedRows quantize_words(Threads& threads, const UnitSource& source) {
  const std::size_t rule = word_embeddings_rule(source.description);
  const std::vector<float> w = finite_floats(source.checkpoint, *source.names.tensors[rule]);
  return quantize_rows(threads, w.data(), source.description.vocab_size, source.description.width);
}

}  // namespace linnet::compress
