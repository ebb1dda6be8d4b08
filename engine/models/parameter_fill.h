#pragma once

#include <map>
#include <span>
#include <utility>
#include <vector>

#include "engine/models/encoder_model.h"
#include "engine/models/model_description.h"
#include "engine/models/pack_linear.h"

// From the tensors of a checkpoint to the parameters of a model.
namespace linnet {

/// The tensors of one checkpoint by field and layer; null where the rule has none.
class ModelTensors {
 public:
  ModelTensors(const ModelDescription& description,
               const std::vector<const weights::TensorView*>& found);
  const weights::TensorView* find(FieldId field, std::int64_t layer = 0) const;
  /// How the file has the weights of this field.
  Stored stored(FieldId field, std::int64_t layer = 0) const;

 private:
  struct Found {
    const weights::TensorView* tensor;
    Stored stored;
  };
  std::map<std::pair<FieldId, std::int64_t>, Found> by_field_;
};

/// Where the parameters of one LayerNorm go.
struct NormPlace {
  float* gamma = nullptr;
  float* beta = nullptr;
  NormPlace() = default;
  NormPlace(Layout& l, std::int64_t D) : gamma(l.mat(1, D).data), beta(l.mat(1, D).data) {}
  LayerNorm view(float eps) const { return {gamma, beta, eps}; }
};

/// Where the parameters of a model come from, and what it keeps of them beside its own block.
struct FillContext {
  const weights::Checkpoint& checkpoint;
  const kernels::KernelTable& kernels;
  OneDnnLayers& onednn;
  std::vector<Block>& unaligned;  // copies of what lies at odd places in the file
};

/// Copies and packs tensors into their places. Throws kNumeric for a weight that is not finite.
class ParameterFiller {
 public:
  ParameterFiller(const FillContext& model, const ModelTensors& tensors, const LoadOptions& options)
      : model_(model),
        tensors_(tensors),
        non_finite_(options.non_finite),
        threads_(options.threads) {}

  void vector(float* to, FieldId field, std::int64_t layer = 0);
  void norm(const NormPlace& place, FieldId field, std::int64_t layer = 0);
  Linear linear(const LinearPlace& place, FieldId field, Bias bias = Bias::kAdded);
  /// A layer of the description: as the file has it in INT8, or one product from its matrices. Of a
  /// packed one throws kFormat for scales that are negative and for weights that no packing gives.
  Linear unit(const ModelDescription& description, const LinearPlace& place, FieldId name,
              std::int64_t layer = 0);
  /// The rows of the word embeddings: those of the mapped file where it holds aligned floats or
  /// INT8, else of `copy`. INT8 has its scales in `scales`.
  void words(const ModelDescription& description, EmbeddingTables& tables, float* scales,
             Block& copy);

  void check_finite(const weights::TensorView& tensor);
  Threads& threads() { return threads_; }

 private:
  Linear stacked(const LinearPlace& place, const UnitKind& kind, std::int64_t layer);
  Linear packed(const LinearPlace& place, const UnitKind& kind, std::int64_t layer);
  void scales(float* to, FieldId field, std::int64_t layer);

  FillContext model_;
  const ModelTensors& tensors_;
  NonFinite non_finite_;
  Threads threads_;
};

/// Places the layers of a description: packed as in the file, or of one kind.
class UnitPlacer {
 public:
  UnitPlacer(const ModelDescription& description, const kernels::KernelTable& kernels,
             LinearKind kind, PackedWeights packed_weights)
      : description_(description), kernels_(kernels), kind_(kind), packed_(packed_weights) {}
  LinearPlace place(Layout& layout, FieldId unit, std::int64_t layer, std::int64_t N,
                    std::int64_t K) const;

 private:
  const ModelDescription& description_;
  const kernels::KernelTable& kernels_;
  LinearKind kind_;
  PackedWeights packed_;
};

}  // namespace linnet
