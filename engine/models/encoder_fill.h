#pragma once

#include <map>
#include <span>
#include <utility>
#include <vector>

#include "engine/models/encoder_fields.h"
#include "engine/models/encoder_model.h"
#include "engine/models/pack_linear.h"

// From the tensors of a checkpoint to the parameters of an encoder.
namespace linnet {

/// The tensors of one checkpoint by field and layer; null where the rule has none.
class EncoderTensors {
 public:
  EncoderTensors(const EncoderDescription& description,
                 const std::vector<const weights::TensorView*>& found);
  const weights::TensorView* find(EncoderField field, std::int64_t layer = 0) const;

 private:
  std::map<std::pair<EncoderField, std::int64_t>, const weights::TensorView*> by_field_;
};

/// Where the parameters of one LayerNorm go.
struct NormPlace {
  float* gamma = nullptr;
  float* beta = nullptr;
  NormPlace() = default;
  NormPlace(Layout& l, std::int64_t D) : gamma(l.mat(1, D).data), beta(l.mat(1, D).data) {}
  LayerNorm view(float eps) const { return {gamma, beta, eps}; }
};

/// Copies and packs tensors into their places. Throws kNumeric for a weight that is not finite.
class EncoderFiller {
 public:
  EncoderFiller(EncoderModel& model, const EncoderTensors& tensors, const LoadOptions& options)
      : model_(model),
        tensors_(tensors),
        non_finite_(options.non_finite),
        threads_(options.threads) {}

  void vector(float* to, EncoderField field, std::int64_t layer = 0);
  void norm(const NormPlace& place, EncoderField field, std::int64_t layer = 0);
  Linear linear(const LinearPlace& place, EncoderField field, std::int64_t layer = 0);
  /// One product from several matrices, one below the other: q | k | v.
  Linear stacked(const LinearPlace& place, std::span<const EncoderField> fields,
                 std::int64_t layer);
  /// A layer that the file has in INT8; `fields` are those of the matrices it is made of. Throws
  /// kFormat for scales that are negative and for weights that no packing gives.
  Linear packed(const LinearPlace& place, EncoderField packed, std::span<const EncoderField> fields,
                std::int64_t layer);
  /// The scales of word embeddings in INT8.
  void row_scales(float* to);

  void check_finite(const weights::TensorView& tensor);
  Threads& threads() { return threads_; }

 private:
  void scales(float* to, EncoderField field, std::int64_t layer);

  EncoderModel& model_;
  const EncoderTensors& tensors_;
  NonFinite non_finite_;
  Threads threads_;
};

}  // namespace linnet
