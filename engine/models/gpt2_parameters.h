#pragma once

#include <vector>

#include "engine/core/layout.h"
#include "engine/models/encoder_model.h"
#include "engine/models/gpt2_config.h"
#include "engine/models/training.h"
#include "engine/ops/dense.h"
#include "engine/ops/layer_norm_bwd.h"

// The parameters of a GPT-2 and its head in training: plain matrices in one block. Weights of a
// Conv1D lie as in the checkpoint, [in, out].
//
//   E model width   I feed-forward width   V vocabulary   C labels
namespace linnet {

struct Gpt2BlockParameters {
  Norm ln_1;
  Dense attn_c_attn;  // [E, 3E], columns q | k | v
  Dense attn_c_proj;  // [E, E]
  Norm ln_2;
  Dense mlp_c_fc;    // [E, I]
  Dense mlp_c_proj;  // [I, E]
};

/// Whether lm_head multiplies by wte itself.
enum class TiedHead { kNo, kYes };

struct Gpt2Parameters {
  Mat<float> wte, wpe;  // [V, E], [P, E]
  std::vector<Gpt2BlockParameters> h;
  Norm ln_f;
  /// What stands on the decoder, [out, in]: lm_head [V, E] and score [C, E] without bias,
  /// classifier [C, E] or qa_outputs [2, E].
  Dense head;

  Gpt2Parameters(Layout& layout, const Gpt2Config& c, HeadKind head, TiedHead tied);
};

/// Parameters read from a checkpoint.
class TrainableGpt2 : public TrainableModel {
 public:
  Gpt2Config config;
  HeadKind head;
  TiedHead tied;
  Placed<Gpt2Parameters> parameters;

  TrainableGpt2(const Gpt2Config& config, HeadKind head, TiedHead tied);

  float* floats() const override { return parameters->wte.data; }
  std::int64_t bytes() const override { return parameters.bytes(); }
  HeadKind head_kind() const override { return head; }
  std::int64_t layers() const override { return config.n_layer; }
  BatchLimits limits() const override { return {config.vocab_size, config.n_positions, 0}; }
  LabelCounts check_targets(const Batch& batch, const TrainingTargets& targets) const override;
  DropoutProbabilities dropout(json::Value config_json) const override;
  std::int64_t training_bytes(const kernels::KernelTable& kernels, int threads,
                              const TrainingSize& size) const override;
  std::unique_ptr<ModelTraining> training(const kernels::KernelTable& kernels, int threads,
                                          const TrainingSize& size) const override;
};

/// Classes of the head's logits. Throws kUnsupported for a head without a loss.
std::int64_t gpt2_classes(const Gpt2Config& c, HeadKind head);

/// Throws as load_gpt2() does. New weights are N(0, initializer_range²), those of c_proj divided by
/// √(2·n_layer), new biases 0 and LayerNorms the identity, as transformers initialises them;
/// `warnings` name those that are new beside a checkpoint's.
TrainableGpt2 load_trainable_gpt2(const weights::Checkpoint& checkpoint, const LoadOptions& options,
                                  const TrainableOptions& trainable = {});

}  // namespace linnet
