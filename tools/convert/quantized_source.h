#pragma once

#include <map>
#include <string>
#include <utility>

#include "engine/compress/quantized_linear.h"
#include "weights/checkpoint.h"
#include "weights/manifest.h"
#include "weights/output.h"

// The layers of a quantised directory, on their way back to floats.
namespace linnet::tools {

/// One layer of the file, its shapes checked.
struct QuantizedSource {
  weights::ManifestLayer layer;
  const weights::TensorView* weight = nullptr;
  const weights::TensorView* scale = nullptr;
  const weights::TensorView* factors = nullptr;  // where the layer has some

  std::size_t tensors() const { return factors == nullptr ? 2 : 3; }
};
using QuantizedSources = std::map<std::string, QuantizedSource>;

/// Every layer of the manifest. Throws kFormat for tensors that are not there or of another shape.
QuantizedSources quantized_sources(const weights::Checkpoint& checkpoint,
                                   const weights::Manifest& manifest);

/// The layer that our tensor `name` is part of, and its first row there.
std::pair<const QuantizedSource*, std::int64_t> rows_of(const QuantizedSources& layers,
                                                        const weights::Manifest& manifest,
                                                        const std::string& name);

/// Writes rows [first_row, first_row + to.shape[0]) as the floats that they stand for (see
/// compress::dequantize), in the type of `to`; or all of a layer whose weight is stored transposed.
void write_rows(const QuantizedSource& layer, std::int64_t first_row,
                const weights::TensorHeader& to, weights::OutputFile& out);

}  // namespace linnet::tools
