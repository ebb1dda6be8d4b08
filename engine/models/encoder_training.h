#pragma once

#include <span>
#include <vector>

#include "engine/core/batch.h"
#include "engine/models/encoder_parameters.h"

// One pass of training: forward with its activations kept, loss, backward. No padding is computed.
//
//   T tokens   B sequences   D model width   A heads · head width   F feed-forward width
namespace linnet {

struct EncoderLayerActivations {
  Mat<float> qkv;       // [T, 3A]
  Mat<float> attended;  // [T, A]
  Mat<float> h1;        // [T, D] x + attention, before its LayerNorm
  NormRows rows1;
  Mat<float> x1;  // [T, D]
  Mat<float> ff;  // [T, F] before the activation
  Mat<float> h2;  // [T, D] x1 + feed-forward, before its LayerNorm
  NormRows rows2;
  Mat<float> x2;  // [T, D]
};

/// Sizes of a head's matrices: the classes of its widest logits, and the rows of its hidden layer.
std::int64_t head_classes(const EncoderDescription& model);
std::int64_t head_rows(const EncoderDescription& model, const TrainingSize& size);

/// The activations of one pass and the scratch memory of its way back, in one arena. When they are
/// recomputed, layers have a matrix x2 each and share all others.
struct EncoderActivations {
  Mat<float> embedded;  // [T, D] before the LayerNorm
  NormRows embedding_rows;
  Mat<float> x0;  // [T, D]
  std::vector<EncoderLayerActivations> layers;

  Mat<float> dx, dropped;        // [T, D]
  Mat<float> activated, dff;     // [T, F]
  Mat<float> dqkv, dattended;    // [T, 3A], [T, A]: in the bytes of activated and dff
  Mat<float> attention, packed;  // scratch

  // Of heads: rows are sequences, or a part of the labelled tokens. Before and after the
  // activation, after the LayerNorm; the way back.
  Mat<float> chosen, inner, active, normed, d_inner, logits;
  Mat<float> soft;  // as logits, where there is a teacher
  NormRows chosen_rows;
  Mat<double> row_losses;

  EncoderActivations(Layout& layout, const EncoderDescription& model, const TrainingSize& size,
                     const kernels::KernelTable& kernels, int threads);
};

/// Losses and gradients of an encoder.
class EncoderTraining : public ModelTraining {
 public:
  /// The encoder must outlive it. Throws kUnsupported for a head without a loss, and for a teacher
  /// of spans.
  EncoderTraining(const TrainableEncoder& encoder, const kernels::KernelTable& kernels, int threads,
                  const TrainingSize& size);

  std::int64_t activation_bytes() const override { return activations_.bytes(); }

  float* gradients() override { return gradients_->word.data; }

 private:
  void forward(const Batch& batch, const TrainingPass& pass) override;
  double head(const Batch& batch, const TrainingPass& pass, Want want) override;
  void backward(const Batch& batch, const TrainingPass& pass) override;
  double sequence_head(const Batch& batch, const TrainingPass& pass, Want want);
  double token_head(const Batch& batch, const TrainingPass& pass, Want want);
  double vocabulary_head(const Batch& batch, const TrainingPass& pass, Want want);
  double vocabulary_rows(std::size_t first, std::size_t count, const TrainingPass& pass, Want want);
  Mat<float> last_hidden(std::int64_t T) const;

  const TrainableEncoder& encoder_;
  Placed<EncoderActivations> activations_;
  Placed<EncoderParameters> gradients_;
};

}  // namespace linnet
