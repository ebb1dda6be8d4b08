#pragma once

#include <vector>

#include "engine/models/encoder_model.h"

namespace linnet {

struct SessionOptions {
  int threads = 1;
  /// Activations are kept for this many tokens at a time: longer batches run in parts, cut between
  /// sequences. Results do not depend on it. At least the model's longest sequence is taken.
  std::int64_t tokens_per_pass = 1024;
};

/// Memory that a session of this model owns, in bytes.
std::int64_t session_bytes(const EncoderConfig& config, const kernels::KernelTable& kernels,
                           const SessionOptions& options,
                           Precision precision = Precision::kFloat32);

/// Runs one model: owns the scratch memory and the threads. Not to be used by two threads at once;
/// any number of sessions share a model.
class EncoderSession {
 public:
  /// The model must outlive the session.
  explicit EncoderSession(const EncoderModel& model, const SessionOptions& options = {});

  /// One part of a batch that has run through the encoder.
  struct Part {
    Batch batch;                      // starts count from 0
    std::int64_t first_sequence = 0;  // of the whole batch
    std::int64_t first_token = 0;
    Mat<const float> hidden;  // [T of the part, D], valid during the call
  };

  /// Fills `out` for the whole batch. Ids out of range and empty sequences: kInvalidArgument,
  /// before anything is computed. hidden_states is called for every part with its first token.
  void run(const Batch& batch, const EncoderOutputs& out);

  /// Gives the last hidden states of each part to `use`, in order.
  void for_each_part(const Batch& batch, FunctionRef<void(const Context&, const Part&)> use);

  /// Called for each part with (index, first token of the part, hidden states [T, D]); index as in
  /// HiddenStates. Valid for the following runs; empty switches it off.
  using Observer =
      FunctionRef<void(std::int64_t index, std::int64_t first_token, Mat<const float> x)>;
  void observe(Observer observer) { observer_ = observer; }

  /// May be called between parts: true ends the run with Error(kCancelled).
  using Cancel = FunctionRef<bool()>;
  void cancel_when(Cancel cancel) { cancel_ = cancel; }

  const EncoderModel& model() const { return model_; }
  Threads& threads() { return threads_; }

 private:
  Part part_from(const Batch& batch, std::int64_t first_sequence);

  const EncoderModel& model_;
  Threads threads_;
  std::int64_t tokens_per_pass_;
  Placed<EncoderScratch> scratch_;
  std::vector<std::int64_t> starts_;  // of the part
  std::vector<std::int64_t> rows_;    // vocabulary rows of the part
  Observer observer_;
  Cancel cancel_;
};

}  // namespace linnet
