#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/compress/quantize_encoder.h"
#include "engine/models/linear_units.h"
#include "tools/convert/plan.h"
#include "weights/output.h"

// The weights file of a quantised directory, and the part of linnet.json that goes with it.
namespace linnet::tools {

class QuantizedWriter {
 public:
  /// All arguments outlive this.
  QuantizedWriter(const weights::Checkpoint& checkpoint, const ModelDescription& description,
                  const weights::NameMap& map, weights::Manifest& manifest)
      : checkpoint_(checkpoint),
        description_(description),
        names_(description, map),
        manifest_(manifest) {}

  /// Word embeddings as rows, a layer: both outlive this.
  void add_words(const compress::QuantizedRows& words);
  void add_unit(const LinearUnit& unit, const compress::QuantizedLinear& quantized);
  /// What was added, then everything that stays as it is, into one file. Throws kNumeric for a
  /// number that is not finite, unless that is allowed, kInvalidArgument if nothing was added.
  void write(const std::string& path, NonFinite non_finite);
  /// Of all tensors written.
  std::int64_t bytes() const;

 private:
  // A tensor of the file to be, and who writes it.
  struct Output {
    weights::TensorHeader header;
    std::function<void(weights::OutputFile&)> write;
  };

  template <class T>
  void add(std::string name, weights::DType dtype, std::vector<std::int64_t> shape,
           const std::vector<T>& values);
  void add_layer(const std::string& name, const std::vector<std::string>& parts,
                 weights::ManifestLayer layer);

  const weights::Checkpoint& checkpoint_;
  const ModelDescription& description_;
  TensorNames names_;
  weights::Manifest& manifest_;
  std::vector<Output> outputs_;
};

}  // namespace linnet::tools
