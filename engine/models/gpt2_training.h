#pragma once

#include <vector>

#include "engine/models/gpt2_parameters.h"

// One pass of training of a GPT-2: forward with its activations kept, loss, backward. Sequences are
// whole, without a cache.
//
//   T tokens   B sequences   E model width   I feed-forward width   V vocabulary
namespace linnet {

struct Gpt2BlockActivations {
  NormRows rows_1;      // of ln_1
  Mat<float> qkv;       // [T, 3E]
  Mat<float> attended;  // [T, E]
  Mat<float> x1;        // [T, E] x + attn(ln_1(x))
  NormRows rows_2;      // of ln_2
  Mat<float> ff;        // [T, I] before the activation
  Mat<float> x2;        // [T, E] x1 + mlp(ln_2(x1))
};

/// The activations of one pass and the scratch memory of its way back, in one arena. When they are
/// recomputed, blocks have a matrix x2 each and share all others. What a LayerNorm or an activation
/// gives is computed again where it is needed.
struct Gpt2Activations {
  Mat<float> x0;  // [T, E] embeddings
  std::vector<Gpt2BlockActivations> h;
  NormRows rows_f;    // of ln_f
  Mat<float> hidden;  // [T, E] after ln_f

  Mat<float> dx, dropped, normed, dnormed;  // [T, E]
  Mat<float> activated, dff;                // [T, I]
  Mat<float> dqkv, dattended;               // [T, 3E], [T, E]: in the bytes of activated and dff
  Mat<float> attention, packed;             // scratch

  // Of heads, in the same bytes: rows are sequences, tokens, or a part of the labelled tokens.
  Mat<float> chosen, d_chosen, logits;
  Mat<double> row_losses;

  Gpt2Activations(Layout& layout, const TrainableGpt2& model, const TrainingSize& size,
                  const kernels::KernelTable& kernels, int threads);
};

/// Losses and gradients of a GPT-2.
class Gpt2Training : public ModelTraining {
 public:
  /// The model must outlive it. Throws kUnsupported for a head without a loss, and for a teacher.
  Gpt2Training(const TrainableGpt2& model, const kernels::KernelTable& kernels, int threads,
               const TrainingSize& size);

  std::int64_t activation_bytes() const override { return activations_.bytes(); }

  float* gradients() override { return gradients_->wte.data; }

 private:
  void forward(const Batch& batch, const TrainingPass& pass) override;
  double head(const Batch& batch, const TrainingPass& pass, Want want) override;
  void backward(const Batch& batch, const TrainingPass& pass) override;
  double sequence_head(const Batch& batch, const TrainingPass& pass, Want want);
  double token_head(const Batch& batch, const TrainingPass& pass, Want want);
  double language_model(const Batch& batch, const TrainingPass& pass, Want want);
  double vocabulary_rows(std::size_t from, std::size_t count, const TrainingPass& pass, Want want);

  const TrainableGpt2& model_;
  Placed<Gpt2Activations> activations_;
  Placed<Gpt2Parameters> gradients_;
};

}  // namespace linnet
