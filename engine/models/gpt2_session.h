#pragma once

#include <vector>

#include "engine/models/encoder_session.h"
#include "engine/models/gpt2_model.h"

namespace linnet {

/// Where results go; a matrix without data is not computed.
struct Gpt2Outputs {
  Mat<float> last_hidden_state{};                   // [T, E] after ln_f
  Mat<float> sequence_logits{};                     // [B, C]
  Mat<float> token_logits{};                        // [T, C]
  Mat<float> vocabulary_logits{};                   // [R, V], one row for each of `vocabulary_rows`
  std::span<const std::int64_t> vocabulary_rows{};  // ascending token indices of the batch
};

/// The token that sequence b is classified by: the rightmost one that is no padding, or the first.
std::int64_t deciding_token(const Gpt2Config& c, const Batch& batch, std::int64_t b);

/// Runs one GPT-2: owns the scratch memory and the threads. Not to be used by two threads at once;
/// any number of sessions share a model. A cache is the caller's.
class Gpt2Session {
 public:
  /// The model must outlive the session.
  explicit Gpt2Session(const Gpt2Model& model, const SessionOptions& options = {});

  /// One part of a batch that has run through the decoder.
  struct Part {
    Batch batch;                      // starts count from 0
    std::int64_t first_sequence = 0;  // of the whole batch
    std::int64_t first_token = 0;
    Mat<const float> hidden;  // [T of the part, E] after ln_f, valid during the call
  };

  /// Chooses the tokens of a part, ascending and counted from its first one, whose hidden states
  /// are wanted.
  using ChooseRows = FunctionRef<void(const Part&, std::vector<std::int64_t>& rows)>;

  /// Gives the last hidden states of each part to `use`, in order. With a cache, a sequence may
  /// be cut; its tokens continue those that its place holds. Ids out of range, empty sequences and
  /// places that repeat or do not exist: kInvalidArgument; tokens for which a place has no room:
  /// kLimit; both before anything is computed. With `choose`, Part::hidden has the rows of the
  /// chosen tokens only, and the last block works for no others.
  void for_each_part(const Batch& batch, const CachePlaces& places,
                     FunctionRef<void(const Context&, const Part&)> use,
                     ChooseRows choose = ChooseRows());

  /// Fills `out` for the whole batch; for sequence_logits sequences may not be cut: no cache.
  void run(const Batch& batch, const CachePlaces& places, const Gpt2Outputs& out);

  /// logits [R, V] of R rows of hidden states.
  void vocabulary_logits(const Context& ctx, Mat<float> logits, Mat<const float> hidden);

  /// Called for each part with (index, first token of the part, hidden states [T, E]); index as in
  /// HiddenStates. Valid for the following runs; empty switches it off.
  using Observer =
      FunctionRef<void(std::int64_t index, std::int64_t first_token, Mat<const float> x)>;
  void observe(Observer observer) { observer_ = observer; }

  /// May be called between parts: true ends the run with Error(kCancelled), the cache then holds
  /// the parts before.
  using Cancel = FunctionRef<bool()>;
  void cancel_when(Cancel cancel) { cancel_ = cancel; }

  const Gpt2Model& model() const { return model_; }
  Threads& threads() { return threads_; }

 private:
  void check_batch(const Batch& batch, const CachePlaces& places) const;
  // The part that begins at token `begin` of sequence `first`; starts_ gets its starts.
  Part part_from(const Batch& batch, bool may_cut, std::int64_t first, std::int64_t begin);

  const Gpt2Model& model_;
  Threads threads_;
  std::int64_t tokens_per_pass_;
  Placed<Gpt2Scratch> scratch_;
  std::vector<std::int64_t> starts_;  // of the part
  std::vector<std::int64_t> rows_;    // chosen ones of the part
  Observer observer_;
  Cancel cancel_;
};

/// Memory that a session of this model owns, in bytes; a cache is not in it.
std::int64_t session_bytes(const Gpt2Config& config, const kernels::KernelTable& kernels,
                           const SessionOptions& options,
                           Precision precision = Precision::kFloat32);

}  // namespace linnet
