#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace linnet::train {

/// What masked language modelling hides and how.
/// Source: BERT, arXiv:1810.04805, section 3.1 and appendix A.1; collators of transformers.
struct Masking {
  double probability = 0.15;
  std::uint64_t seed = 42;
  std::int32_t mask_token = 0;
  /// Of each id of the vocabulary, 1: a special token, which is never chosen.
  std::vector<std::uint8_t> special;
  /// Of each id, 1: it continues the word before. Then words are chosen as a whole; empty: tokens.
  std::vector<std::uint8_t> continues;

  bool whole_words() const { return !continues.empty(); }
  std::int64_t vocab_size() const { return static_cast<std::int64_t>(special.size()); }
};

/// What random numbers of one sequence are functions of, beside the seed.
struct MaskingSample {
  std::uint32_t epoch = 0, example = 0;
};

/// Chooses tokens of one sequence, each with the probability; of whole words, in random order, as
/// many as reach that share of all tokens, at least one. labels[t] becomes a chosen token's id,
/// kIgnoreLabel elsewhere. Of the chosen ones 80 % become the mask token, 10 % any id, 10 % stay.
void mask(const Masking& masking, const MaskingSample& sample, std::span<std::int32_t> tokens,
          std::span<std::int64_t> labels);

}  // namespace linnet::train
