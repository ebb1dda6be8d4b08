#pragma once

#include <vector>

#include "engine/generate/parameters.h"
#include "engine/generate/processors.h"
#include "engine/models/gpt2_session.h"

// Ids in, ids out: a key/value cache, and the sequences that share it.
namespace linnet {

enum class FinishReason {
  kEos,      ///< an end token, which is the last one
  kLength,   ///< as many tokens as were asked for, or as fit
  kStopped,  ///< the caller's NewToken said so
};
/// "eos", "length", "stop".
const char* name(FinishReason reason);

struct TokenLogprob {
  std::int32_t token = 0;
  double logprob = 0;  // natural logarithm, of the model's own distribution
};

struct GeneratedSequence {
  std::vector<std::int32_t> tokens;  // the new ones
  FinishReason reason = FinishReason::kLength;
  std::int64_t guessed = 0;   // tokens that prompt lookup proposed
  std::int64_t accepted = 0;  // and that were those that came
  double score = 0;           // of beam search: Σ log p / length ** length_penalty
  /// With parameters.logprobs: of every new token, the token itself and then the likeliest ones.
  std::vector<std::vector<TokenLogprob>> logprobs;
};

/// The first token that the model reads to continue n tokens when the context slides: 0 as long as
/// they fit into `positions`, then as many half contexts as it takes. They stand at the positions
/// from 0 on, as if the text began there.
std::int64_t window_begin(std::int64_t n, std::int64_t positions);

struct GeneratorOptions {
  std::int64_t sequences = 16;                        // that run side by side, at most
  std::int64_t cache_budget = std::int64_t{2} << 30;  // bytes
  CacheType cache_type = CacheType::kFloat32;
};

/// Feeds the tokens of several sequences to a model at once, each behind those that its place in
/// the cache holds, and gives the logits after the last one, or the last `rows`, of each.
class NextLogits {
 public:
  NextLogits(Gpt2Session& session, KvCache& cache) : session_(session), cache_(cache) {}
  void add(std::int64_t place, std::span<const std::int32_t> tokens, std::int64_t rows = 1);
  /// logits [rows of all, V] in the order they were added; then none are left.
  void run(Mat<float> logits);
  void clear();

 private:
  Gpt2Session& session_;
  KvCache& cache_;
  std::vector<std::int32_t> tokens_, positions_;
  std::vector<std::int64_t> starts_{0}, places_, rows_;
};

/// Generates with one session of a model. Sequences join when there is a place in the cache and
/// leave as they end; each step is one pass over the weights for all of them. What a sequence gets
/// does not depend on its company. A place remembers the sequence that left it: one that begins
/// with the same tokens, as a conversation that goes on, reads only the rest.
class Generator {
 public:
  /// The session must outlive the generator. Throws kInvalidArgument for a model without a
  /// language-model head, kLimit for a budget that is too small for one sequence.
  explicit Generator(Gpt2Session& session, const GeneratorOptions& options = {});

  /// Called with every new token of a sequence, in its order: true ends the sequence with this
  /// token. Not called by beam search.
  using NewToken = FunctionRef<bool(std::int64_t sequence, std::int32_t token)>;

  /// num_return_sequences for each prompt, one prompt after the other. Throws kInvalidArgument for
  /// wrong parameters, prompts without a token, with ids that the model does not know, or that
  /// leave no room for max_new_tokens unless the context slides, and kLimit for more beams than
  /// places in the cache.
  std::vector<GeneratedSequence> generate(std::span<const std::vector<std::int32_t>> prompts,
                                          const GenerationParameters& parameters,
                                          NewToken new_token = {});

  const Gpt2Session& session() const { return session_; }
  std::int64_t places() const { return cache_.shape().sequences; }
  std::int64_t cache_bytes() const { return cache_.bytes(); }

 private:
  struct Sequence;
  std::vector<GeneratedSequence> run_beams(std::span<const std::vector<std::int32_t>> prompts,
                                           std::span<const std::int64_t> most,
                                           const GenerationParameters& p);
  std::vector<GeneratedSequence> run_side_by_side(
      std::span<const std::vector<std::int32_t>> prompts, std::span<const std::int64_t> most,
      const GenerationParameters& p, NewToken new_token);
  void step(std::span<Sequence* const> running, const GenerationParameters& p, NewToken new_token);
  std::int64_t room_in_window(Sequence& s, const GenerationParameters& p);
  std::int64_t feed(Sequence& s, const GenerationParameters& p);
  bool take_token(Sequence& s, std::span<float> scores, const GenerationParameters& p,
                  NewToken new_token);
  std::int32_t choose(const Sequence& s, std::span<float> scores, const GenerationParameters& p);
  void note_logprobs(Sequence& s, std::span<const float> logits, std::int64_t likeliest);

  void join(Sequence& s, std::int64_t place, const GenerationParameters& p);
  void leave(const Sequence& s);

  Gpt2Session& session_;
  KvCache cache_;
  NextLogits next_;
  std::vector<std::vector<std::int32_t>> held_;  // of each place: the tokens that it may keep
  Sampler sampler_;
  std::vector<float> logits_;     // [rows of a step, V]
  std::vector<double> logprobs_;  // [V]
  std::vector<std::int32_t> order_;
};

}  // namespace linnet
