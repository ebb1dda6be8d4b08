#pragma once

#include <vector>

#include "engine/core/layout.h"
#include "engine/models/encoder_model.h"
#include "engine/models/training.h"
#include "engine/ops/dense.h"
#include "engine/ops/layer_norm_bwd.h"

// The parameters of an encoder and its head in training: plain matrices in one block. Gradients and
// the moments of an optimizer are more blocks of the same layout.
//
//   D model width   A heads · head width   F feed-forward width   V vocabulary   C labels
namespace linnet {

struct EncoderLayerParameters {
  Dense qkv;               // [3A, D], rows q | k | v
  Dense attention_output;  // [D, A]
  Norm attention_norm;
  Dense intermediate;  // [F, D]
  Dense output;        // [D, F]
  Norm output_norm;
};

/// Whether the vocabulary head multiplies by the word embeddings themselves.
enum class TiedDecoder { kNo, kYes };

struct EncoderParameters {
  Mat<float> word, position, type;  // [V, D], [P, D], [types, D]
  Norm embedding_norm;
  std::vector<EncoderLayerParameters> layers;
  Dense pooler;      // [D, D]
  Dense classifier;  // [C, D] of sequences, choices, tokens or spans
  Dense transform;   // [D, D] of the vocabulary head
  Norm transform_norm;
  Dense decoder;           // [V, D]; its weight is `word` where tied
  Dense seq_relationship;  // [2, D]

  EncoderParameters(Layout& layout, const EncoderDescription& description, TiedDecoder tied);
};

/// Parameters read from a checkpoint.
class TrainableEncoder : public TrainableModel {
 public:
  EncoderDescription description;
  TiedDecoder tied = TiedDecoder::kNo;
  Placed<EncoderParameters> parameters;

  TrainableEncoder(EncoderDescription description, TiedDecoder tied);

  const EncoderConfig& config() const { return description.config; }

  float* floats() const override { return parameters->word.data; }
  std::int64_t bytes() const override { return parameters.bytes(); }
  HeadKind head_kind() const override { return description.head; }
  std::int64_t layers() const override { return config().layers(); }
  BatchLimits limits() const override;
  LabelCounts check_targets(const Batch& batch, const TrainingTargets& targets) const override;
  DropoutProbabilities dropout(json::Value config) const override;
  std::int64_t training_bytes(const kernels::KernelTable& kernels, int threads,
                              const TrainingSize& size) const override;
  std::unique_ptr<ModelTraining> training(const kernels::KernelTable& kernels, int threads,
                                          const TrainingSize& size) const override;
};

/// Throws as load_encoder() does. New weights of a head are N(0, initializer_range²), new biases 0,
/// new LayerNorms the identity, as transformers initialises them; `warnings` name those that are
/// new beside a checkpoint's. From scratch all are, and the padding row of the words is 0.
TrainableEncoder load_trainable_encoder(const weights::Checkpoint& checkpoint,
                                        const LoadOptions& options,
                                        const TrainableOptions& trainable = {});

}  // namespace linnet
