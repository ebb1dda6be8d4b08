#pragma once

#include <span>
#include <vector>

#include "engine/core/batch.h"
#include "engine/models/encoder_parameters.h"
#include "engine/ops/dropout.h"
#include "engine/ops/losses.h"

// One pass of training: forward with its activations kept, loss, backward. No padding is computed.
//
//   T tokens   B sequences   D model width   A heads · head width   F feed-forward width
namespace linnet {

/// What a batch should have been answered; what the head needs must be there.
struct EncoderTargets {
  std::span<const std::int64_t> labels{};         // of sequences, choices' rows, or tokens [T]
  std::span<const float> values{};                // regression and multi-label: [B, C]
  SpanLabels spans{};                             // of each sequence
  std::span<const std::int64_t> next_sentence{};  // of each sequence
};

/// How many labels count: what the loss is divided by. Counts of the parts of an optimizer step add
/// up to those of the step.
struct LabelCounts {
  double labels = 0, starts = 0, ends = 0, next_sentence = 0;

  LabelCounts& operator+=(const LabelCounts& more);
  LabelCounts operator*(double factor) const;
};

/// Throws kInvalidArgument for labels that the head cannot have, saying where.
LabelCounts check_targets(const EncoderDescription& model, const Batch& batch,
                          const EncoderTargets& targets);

/// Probabilities, as config.json names them.
struct EncoderDropout {
  float hidden = 0, attention = 0, classifier = 0;
};
/// Those of the head's model class.
EncoderDropout read_dropout(const EncoderDescription& model, json::Value config);

/// The largest batch that a pass must hold.
struct TrainingSize {
  std::int64_t tokens = 0, sequences = 0, longest = 0;
};

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

/// The activations of one pass and the scratch memory of its way back, in one arena.
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
  NormRows chosen_rows;
  Mat<double> row_losses;

  EncoderActivations(Layout& layout, const EncoderDescription& model, const TrainingSize& size,
                     const kernels::KernelTable& kernels, int threads);
};

/// What one pass is asked for.
struct TrainingPass {
  EncoderTargets targets;
  LabelCounts divisors;  // of the whole optimizer step
  double smoothing = 0;
  DropoutStep dropout{};
  EncoderDropout probabilities{};
};

/// Computes losses and gradients of one model, one batch at a time. Gradients continue as chains
/// over the tokens: several batches give the bytes of one.
class EncoderTraining {
 public:
  /// The encoder must outlive it. Throws kUnsupported for a head without a loss.
  EncoderTraining(const TrainableEncoder& encoder, const kernels::KernelTable& kernels, int threads,
                  const TrainingSize& size);

  /// Bytes that the activations take.
  std::int64_t activation_bytes() const { return activations_.bytes(); }

  /// The batch's part of the loss, computed forward only.
  double loss(const Batch& batch, const TrainingPass& pass);
  /// The same, and gradients added to those that are there.
  double accumulate(const Batch& batch, const TrainingPass& pass);

  /// Sets all gradients to 0.
  void clear_gradients();
  /// Adds what has been kept apart: call once after the last batch of a step. The gradient of a
  /// tied decoder is one more chain, added to that of the word embeddings.
  void join_gradients();
  /// In the block layout of the encoder's parameters.
  float* gradients() { return gradients_->word.data; }

  Context context() { return {kernels_, threads_}; }
  const TrainableEncoder& encoder() const { return encoder_; }

 private:
  enum class Want { kLoss, kGradients };
  void forward(const Batch& batch, const TrainingPass& pass);
  void backward(const Batch& batch, const TrainingPass& pass);
  double head(const Batch& batch, const TrainingPass& pass, Want want);
  double sequence_head(const Batch& batch, const TrainingPass& pass, Want want);
  double token_head(const Batch& batch, const TrainingPass& pass, Want want);
  double vocabulary_head(const TrainingPass& pass, Want want);
  double vocabulary_rows(std::size_t first, std::size_t count, const TrainingPass& pass, Want want);
  Mat<float> last_hidden(std::int64_t T) const;

  const TrainableEncoder& encoder_;
  kernels::KernelTable kernels_;
  Threads threads_;
  Placed<EncoderActivations> activations_;
  Placed<EncoderParameters> gradients_;
  Block tied_decoder_;                       // [V, D], empty unless tied
  std::vector<std::int64_t> rows_, labels_;  // labelled tokens
};

}  // namespace linnet
