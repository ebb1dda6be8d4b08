#pragma once

#include <optional>
#include <vector>

#include "engine/compress/quantize_encoder.h"
#include "engine/models/linear_units.h"
#include "weights/checkpoint.h"
#include "weights/name_map.h"

// The layers of a model of any family in INT8, one by one from its file: no data is needed, and no
// more memory than one layer in floats takes.
namespace linnet::compress {

/// A checkpoint and what is known of it. All outlive this.
struct UnitSource {
  const weights::Checkpoint& checkpoint;
  const ModelDescription& description;
  const weights::NameMap& names;  // of the description's rules
};

/// The weights [N, K] of a layer as floats; the pages of the file are given back. Throws kNumeric
/// for a weight that is not finite.
std::vector<float> unit_weights(const UnitSource& source, const LinearUnit& unit);

/// Quantises one layer: its inputs rotated by default_rotation(), or plain. Throws as
/// unit_weights() and quantize_linear().
QuantizedLinear quantize_unit(Threads& threads, const UnitSource& source, const LinearUnit& unit,
                              const EncoderRecipe& recipe, WeightBits bits = WeightBits::kEight);

/// The rows of the word embeddings. Throws as unit_weights().
QuantizedRows quantize_words(Threads& threads, const UnitSource& source);

/// What linear_units() became, one by one; a layer without numbers (N = 0) stays FP32. The words
/// are there where they are rows and no layer.
struct QuantizedUnits {
  std::optional<QuantizedRows> words;
  std::vector<QuantizedLinear> layers;
};

}  // namespace linnet::compress
