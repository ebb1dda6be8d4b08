#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/models/training.h"
#include "engine/train/masking.h"

namespace linnet::train {

/// Examples as ids, packed end to end, with the labels that the head needs.
struct Examples {
  std::vector<std::int32_t> tokens, types;  // types: empty where the model has none
  std::vector<std::int64_t> starts{0};
  std::vector<std::int64_t> labels;                  // of each sequence
  std::vector<float> values;                         // of each sequence, as many as it has logits
  std::vector<std::int64_t> token_labels;            // of each token; kIgnoreLabel: none
  std::vector<std::int64_t> span_starts, span_ends;  // of each sequence, tokens of it
  std::optional<Masking> masking;                    // instead of labels

  std::int64_t size() const { return static_cast<std::int64_t>(starts.size()) - 1; }
  std::int64_t length(std::int64_t i) const {
    return starts[static_cast<std::size_t>(i) + 1] - starts[static_cast<std::size_t>(i)];
  }
  /// Tokens of the longest one.
  std::int64_t longest() const;
};

/// Some of the examples in an order of their own, as a batch with its targets.
class ExampleBatch {
 public:
  void clear();
  /// `sample` is what dropout counts by, `epoch` what masking does.
  void add(const Examples& examples, std::int64_t example, std::int64_t sample,
           std::int64_t epoch = 0);

  std::int64_t sequences() const { return static_cast<std::int64_t>(samples_.size()); }
  std::int64_t tokens() const { return starts_.back(); }
  Batch batch() const { return {tokens_, positions_, types_, starts_}; }
  TrainingTargets targets() const;
  std::span<const std::uint32_t> samples() const { return samples_; }

 private:
  std::vector<std::int32_t> tokens_, positions_, types_;
  std::vector<std::int64_t> starts_{0}, labels_, span_starts_, span_ends_;
  std::vector<float> values_;
  std::vector<std::uint32_t> samples_;
};

/// The order of `n` examples in an epoch: a function of seed and epoch.
std::vector<std::int64_t> shuffled(std::int64_t n, std::uint64_t seed, std::int64_t epoch);

/// Brings examples of like length together: of the given order, each part of up to 50 steps (a
/// quarter of all where that is less) is sorted by length, the longest first, and the longest of
/// all changes places with the first. As group_by_length of transformers does.
void group_by_length(std::vector<std::int64_t>& order, const Examples& examples,
                     std::int64_t examples_per_step);

}  // namespace linnet::train
