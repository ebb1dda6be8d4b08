#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/generate/parameters.h"

// What happens to the scores of the next token before one is chosen, in the order of transformers:
// repetition penalty, presence and frequency penalty, n-grams, bad words, minimum length; then, to
// sample, temperature, top-k, top-p, min-p, typical, epsilon and eta cut-off.
namespace linnet {

/// The tokens of a sequence so far.
struct History {
  std::span<const std::int32_t> tokens;  // prompt and generated ones
  std::int64_t prompt = 0;               // tokens of the prompt

  std::int64_t generated() const { return static_cast<std::int64_t>(tokens.size()) - prompt; }
};

/// Penalties, bans and minimum length, in place; a token that is banned gets -infinity. scores [V].
void process_scores(std::span<float> scores, const GenerationParameters& p, const History& history);

/// A token that may be chosen.
struct Candidate {
  float score = 0;
  std::int32_t token = 0;
};

/// Candidates for sampling: those of `scores` that are above -infinity and stay after temperature
/// and the cut-offs, the best first; among equals the lowest id first. Keeps its memory.
class Sampler {
 public:
  std::span<const Candidate> candidates(std::span<const float> scores,
                                        const GenerationParameters& p);
  /// The candidate at `uniform` in [0, 1) of their cumulative probability.
  std::int32_t choose(std::span<const Candidate> candidates, double uniform);

 private:
  void sort();
  void softmax();
  double entropy() const;
  void keep(std::int64_t n);
  void keep_typical(double mass, std::int64_t least);

  std::vector<Candidate> candidates_;
  std::vector<double> probability_;  // of each candidate
  std::vector<double> surprise_;
  std::vector<std::int32_t> order_;
};

/// The greatest score; the lowest id among equals. Throws kNumeric for a NaN.
std::int32_t greatest(std::span<const float> scores);

/// y = log softmax(scores), as long as they are; -infinity stays.
void log_softmax(std::span<double> y, std::span<const float> scores);

/// A number in [0, 1) that depends on nothing but these.
double sampling_uniform(std::uint64_t seed, std::int64_t sequence, std::int64_t step);

}  // namespace linnet
