#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/core/batch.h"
#include "engine/core/context.h"
#include "engine/core/function_ref.h"
#include "engine/core/memory.h"
#include "engine/models/common_config.h"
#include "engine/ops/dropout.h"
#include "engine/ops/losses.h"

// What training asks of every model: its parameters by name in one block, and passes that give a
// loss and gradients. No padding is computed.
//
//   T tokens   B sequences   C classes
namespace linnet {

/// What a batch should have been answered; what the head needs must be there.
struct TrainingTargets {
  std::span<const std::int64_t> labels{};         // of sequences, choices' rows, or tokens [T]
  std::span<const float> values{};                // regression and multi-label: [B, C]
  SpanLabels spans{};                             // of each sequence
  std::span<const std::int64_t> next_sentence{};  // of each sequence
};

/// How many labels count: what the loss is divided by. Counts of the parts of an optimizer step add
/// up to those of the step.
struct LabelCounts {
  double labels = 0, starts = 0, ends = 0, next_sentence = 0;
  double sequences = 0, tokens = 0;  // of the batch; what a teacher says is divided by them

  LabelCounts& operator+=(const LabelCounts& more);
  LabelCounts operator*(double factor) const;
};

/// Throws kInvalidArgument for labels that a head with C classes cannot have, saying where. Labels
/// of a causal language model stand at the tokens themselves: each is predicted from the tokens
/// before it, that of a sequence's first token does not count.
LabelCounts check_targets(HeadKind head, std::int64_t C, const Batch& batch,
                          const TrainingTargets& targets);

/// Probabilities, as config.json names them.
struct DropoutProbabilities {
  float hidden = 0, attention = 0, classifier = 0;
  float embeddings = 0;  // of GPT-2; encoders have `hidden` there
};

/// config.json's probability of this name. Throws kFormat unless it is 0 to below 1.
float read_probability(json::Value config, const char* key, double otherwise);

/// Whether a layer's activations are kept until the way back, or computed again there from what
/// came into the layer: less memory, one more forward pass, the same bytes.
enum class Recompute { kNo, kYes };

enum class WithTeacher { kNo, kYes };

/// The largest batch that a pass must hold, and how.
struct TrainingSize {
  std::int64_t tokens = 0, sequences = 0, longest = 0;
  Recompute recompute = Recompute::kNo;
  Precision precision = Precision::kFloat32;  // of the products; not kInt8
  WithTeacher teacher = WithTeacher::kNo;
};

/// What a teacher says of a batch, and what it weighs. The loss is then
///   kl · KL at `temperature` + hard · the loss of the labels + cosine · (1 - cos of hidden
///   states),
/// the KL averaged over the rows of logits, the cosine over all tokens.
/// Source: DistilBERT, a distilled version of BERT, arXiv:1910.01108, section 3.
struct Teacher {
  Mat<const float> logits{};  // [B, C], or [T, C] of a head over tokens; no data: no KL
  Mat<const float> hidden{};  // [T, D] the last hidden states; no data: no cosine
  double temperature = 1;
  double kl = 0, hard = 1, cosine = 0;
};

/// What one pass is asked for.
struct TrainingPass {
  TrainingTargets targets;
  LabelCounts divisors;  // of the whole optimizer step
  double smoothing = 0;
  DropoutStep dropout{};
  DropoutProbabilities probabilities{};
  /// Sees the logits before the loss: a row of each sequence, or of each token; not those of a
  /// vocabulary.
  FunctionRef<void(Mat<const float>)> logits{};
  Teacher teacher{};  // of a training whose size says so
};

class ModelTraining;

/// One tensor of a checkpoint, and where it is among the parameters.
struct NamedParameter {
  std::string name;       // as the checkpoint spells it
  std::string canonical;  // as transformers writes it for this model and head
  std::vector<std::int64_t> shape;
  bool decay = true;        // weight decay applies
  std::int64_t layer = 0;   // 0 embeddings, 1 to L blocks, L + 1 pooler and head
  std::int64_t offset = 0;  // of its first float in the block; its rows have no gaps
  std::int64_t elements() const;
};

/// A model's parameters in training: plain matrices in one block. Gradients and the moments of an
/// optimizer are more blocks of the same layout.
class TrainableModel {
 public:
  std::vector<NamedParameter> tensors;  // every parameter once
  std::vector<std::string> warnings;    // of loading

  virtual ~TrainableModel() = default;

  /// The block, and its size.
  virtual float* floats() const = 0;
  virtual std::int64_t bytes() const = 0;

  virtual HeadKind head_kind() const = 0;
  virtual std::int64_t layers() const = 0;
  /// What a batch may hold.
  virtual BatchLimits limits() const = 0;
  virtual LabelCounts check_targets(const Batch& batch, const TrainingTargets& targets) const = 0;
  /// What config.json says of the head's model class.
  virtual DropoutProbabilities dropout(json::Value config) const = 0;
  /// Bytes that training() will own: activations and gradients.
  virtual std::int64_t training_bytes(const kernels::KernelTable& kernels, int threads,
                                      const TrainingSize& size) const = 0;
  /// Passes over this model, which must outlive them. Throws kUnsupported for a head without a
  /// loss.
  virtual std::unique_ptr<ModelTraining> training(const kernels::KernelTable& kernels, int threads,
                                                  const TrainingSize& size) const = 0;

 protected:
  TrainableModel() = default;
  TrainableModel(TrainableModel&&) = default;
  TrainableModel& operator=(TrainableModel&&) = default;
};

/// Computes losses and gradients of one model, one batch at a time. Gradients continue as chains
/// over the tokens: several batches give the bytes of one.
class ModelTraining {
 public:
  virtual ~ModelTraining() = default;

  /// Bytes that the activations take.
  virtual std::int64_t activation_bytes() const = 0;

  /// The batch's part of the loss, computed forward only.
  double loss(const Batch& batch, const TrainingPass& pass);
  /// The same, and gradients added to those that are there.
  double accumulate(const Batch& batch, const TrainingPass& pass);

  /// The layers below this one, counted as in NamedParameter, get no gradient.
  void train_from(std::int64_t layer) { lowest_ = layer; }

  /// Sets all gradients to 0.
  void clear_gradients();
  /// Adds what has been kept apart: call once after the last batch of a step.
  void join_gradients();
  /// In the layout of the model's parameters.
  virtual float* gradients() = 0;

  Context context() { return {kernels_, threads_, {}, precision_}; }

 protected:
  enum class Want { kLoss, kGradients };

  /// The model must outlive it.
  ModelTraining(const TrainableModel& model, const kernels::KernelTable& kernels, int threads,
                const TrainingSize& size);

  virtual void forward(const Batch& batch, const TrainingPass& pass) = 0;
  /// The loss of what forward() left, and with kGradients those of the head and of the last hidden
  /// states, from which backward() goes on.
  virtual double head(const Batch& batch, const TrainingPass& pass, Want want) = 0;
  virtual void backward(const Batch& batch, const TrainingPass& pass) = 0;

  /// For a head that multiplies by the word embeddings [V, D]: its product's gradient is a chain of
  /// its own, kept apart from that of the embeddings and added by join_gradients().
  void tie(Mat<float> embeddings_gradient);
  /// Where the gradient of the head's matrix is summed up: `otherwise` unless tie() was called.
  Mat<float> head_gradient(Mat<float> otherwise) const;

  Recompute recompute_;
  std::int64_t lowest_ = 0;                  // layer with gradients
  std::vector<std::int64_t> rows_, labels_;  // of a head over tokens: those that count

 private:
  kernels::KernelTable kernels_;
  Threads threads_;
  Precision precision_;
  std::int64_t gradient_bytes_;
  Mat<float> tied_{};  // in gradients(); no data unless tied
  Block tied_product_;
};

/// What is done about tensors of the head, the pooler included, that a checkpoint does not have.
enum class NewHead { kRefuse, kInitialise };

/// Whether training begins with a checkpoint's weights, or with new ones for its config.json.
enum class Start { kCheckpoint, kScratch };

struct TrainableOptions {
  NewHead new_head = NewHead::kRefuse;
  Start start = Start::kCheckpoint;
  std::uint64_t seed = 0;               // of new weights
  std::optional<json::Value> config{};  // in place of the checkpoint's config.json
};

}  // namespace linnet
